"""`medaug profile`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from medaug.cli.app import profile_app


@profile_app.command("list")
def profile_list() -> None:
    """Shipped profiles, a line each."""
    from medaug import profile

    for name in profile.shipped():
        typer.echo(f"{name:14} {profile.load(name).description}")


@profile_app.command("show")
def profile_show(name: Annotated[str, typer.Argument(help="A shipped profile's name or a YAML file.")]) -> None:
    """A profile with every default filled in."""
    from medaug import profile

    typer.echo(profile.load(name).to_yaml(), nl=False)


@profile_app.command("check")
def profile_check(name: Annotated[str, typer.Argument(help="A shipped profile's name or a YAML file.")]) -> None:
    """Check a profile; exit code 2 and the faults if there are any."""
    from medaug import profile

    checked = profile.load(name)
    typer.echo(f"{checked.name}: valid, sha256 {checked.sha256}")


@profile_app.command("schema")
def profile_schema() -> None:
    """JSON Schema of a profile, for editors."""
    from medaug import profile

    typer.echo(json.dumps(profile.schema(), indent=2))

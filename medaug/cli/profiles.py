"""`medaug profile`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from medaug.cli.options import profile_app


@profile_app.command("list")
def profile_list() -> None:
    """Shipped profiles, a line each."""
    from medaug.profile.load import load_profile, shipped_profiles

    for name in shipped_profiles():
        typer.echo(f"{name:14} {load_profile(name).description}")


@profile_app.command("show")
def profile_show(name: Annotated[str, typer.Argument(help="A shipped profile's name or a YAML file.")]) -> None:
    """A profile with every default filled in."""
    from medaug.profile.load import load_profile

    typer.echo(load_profile(name).to_yaml(), nl=False)


@profile_app.command("check")
def profile_check(name: Annotated[str, typer.Argument(help="A shipped profile's name or a YAML file.")]) -> None:
    """Check a profile; exit code 2 and the faults if there are any."""
    from medaug.profile.load import load_profile

    checked = load_profile(name)
    typer.echo(f"{checked.name}: valid, sha256 {checked.sha256}")


@profile_app.command("schema")
def profile_schema() -> None:
    """JSON Schema of a profile, for editors."""
    from medaug.profile.load import profile_schema

    typer.echo(json.dumps(profile_schema(), indent=2))

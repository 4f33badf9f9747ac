"""`medaug profile`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from medaug.cli import completion
from medaug.cli.as_data import say_json
from medaug.cli.console import say
from medaug.cli.options import AsJson, profile_app

ProfileArgument = Annotated[
    str, typer.Argument(help="A shipped profile's name or a YAML file.", autocompletion=completion.profiles)
]


@profile_app.command("list")
def profile_list(as_json: AsJson = False) -> None:
    """Shipped profiles, a line each."""
    from medaug.profile.load import load_profile, shipped_profiles

    described = {name: load_profile(name).description for name in shipped_profiles()}
    if as_json:
        say_json([{"name": name, "description": text} for name, text in described.items()])
        return
    for name, text in described.items():
        say(f"{name:14} {text}")


@profile_app.command("show")
def profile_show(name: ProfileArgument, as_json: AsJson = False) -> None:
    """A profile with every default filled in."""
    from medaug.profile.load import load_profile

    text = load_profile(name).to_yaml()
    if as_json:
        import yaml

        say_json(yaml.safe_load(text))
    else:
        say(text, nl=False)


@profile_app.command("check")
def profile_check(name: ProfileArgument, as_json: AsJson = False) -> None:
    """Check a profile; exit code 2 and the faults if there are any."""
    from medaug.profile.load import load_profile

    checked = load_profile(name)
    if as_json:
        say_json({"name": checked.name, "valid": True, "sha256": checked.sha256})
        return
    say(f"{checked.name}: valid, sha256 {checked.sha256}")


@profile_app.command("schema")
def profile_schema(
    as_json: Annotated[bool, typer.Option("--json", help="A schema is JSON with and without it.")] = False,  # noqa: ARG001
) -> None:
    """JSON Schema of a profile, for editors."""
    from medaug.profile.load import profile_schema

    say(json.dumps(profile_schema(), indent=2))

"""`medaug doctor`."""

from __future__ import annotations

import json

import typer

from medaug.cli.console import say
from medaug.cli.options import AsJson, app


@app.command("doctor")
def doctor_command(as_json: AsJson = False) -> None:
    """What is there: versions, device, codecs, prior digests, a writable temporary folder."""
    from medaug.cli.doctor_checks import examine

    findings = examine()
    if as_json:
        say(json.dumps([{"name": f.name, "ok": f.ok, "found": f.found} for f in findings], indent=2))
    for finding in () if as_json else findings:
        say(f"{'ok ' if finding.ok else 'NO '} {finding.name:28} {finding.found}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)

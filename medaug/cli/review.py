"""`medaug review`: a page on this machine on which people look at variants and decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import app
from medaug.errors import RunError, counted


@app.command("review")
def review_command(
    output: Annotated[Path, typer.Argument(help="A folder that `medaug run` made.", show_default=False)],
    source: Annotated[
        Path | None, typer.Option("--source", "-s", help="What it was made from: its images are shown in full, too.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0 takes a free one.")] = 0,
) -> None:
    """Serve a page to accept and reject variants on, to this machine alone; Ctrl-C ends it and writes the lists."""
    try:
        from medaug.review.serve import serve
    except ImportError:
        raise RunError("review: expected starlette and uvicorn; install them: pip install 'medaug[review]'") from None

    def tell(address: str, variants: int) -> None:
        say(f"{counted(variants, 'variant')} at {address}")
        say("whoever has this address may decide; it is good until Ctrl-C, which writes the lists and the seal")

    taken = serve(output, source, port, tell)
    say(f"{counted(taken, 'decision')}; lists and seal hold them" if taken else "nothing was decided")

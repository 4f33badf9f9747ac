"""The one place where words reach a console, a pipe or a log: what comes from a file can't steer a terminal."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import IO, Any

import typer

# typer carries its library with it, and shows of its errors this one: a bad parameter is a usage error is one of these
ClickError: type[Exception] = typer.BadParameter.__mro__[2]
KEPT = "\n\t"
# Controls, what turns the direction of writing, halves of a surrogate pair, and separators of lines and paragraphs.
ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def say(text: object = "", *, err: bool = False, nl: bool = True, file: IO[str] | None = None) -> None:
    """Print, on standard output or error, or into ``file``; characters that are none to look at are escaped."""
    typer.echo(escaped(str(text)), err=err, nl=nl, file=file)


def escaped(text: str) -> str:
    r"""The text with every character that a terminal obeys, or nobody sees, as ``\u001b``; JSON stays JSON."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(c if c in KEPT or unicodedata.category(c) not in ESCAPED else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return "".join(f"\\u{int.from_bytes(pair, 'big'):04x}" for pair in _pairs(character))


def _pairs(character: str) -> list[bytes]:
    data = character.encode("utf-16-be", "surrogatepass")
    return [data[n : n + 2] for n in range(0, len(data), 2)]


def usage_words(error: Any, given: Sequence[str] = ()) -> str:
    """What is wrong with a command line, without the words that were given: a mistyped path may be a patient's name.

    Args:
        error: the command-line library's.
        given: the words; the process's own if left out.
    """
    said = error.format_message().rstrip()
    words = {part for word in given or sys.argv[1:] for part in (word, word.partition("=")[2]) if part[:1] != "-"}
    words |= {repr(word)[1:-1] for word in words}  # as some messages quote them
    for word in sorted((word for word in words if re.search(r"\w", word)), key=len, reverse=True):
        said = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", "…", said)
    help_for = error.ctx.command_path if getattr(error, "ctx", None) else "medaug"
    if "Usage:" in said:  # no word was given: it is the help
        return f"give a command\n{said}"
    return f"{said}{'' if said.endswith(('.', '?')) else '.'} See `{help_for} --help`."

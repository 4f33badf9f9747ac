"""The command line: parse, call, print, exit code. Nothing else.

Exit codes: 0 all done, 1 unexpected, 2 usage or profile, 3 nothing usable, 4 partial, 5 verification failed, 130
interrupted (give the same command again). The system ends a process with 152 over a call that never returns
(`processes.last_resort`); `medaug run` goes on without that unit (`processes.run_on`).
"""

from __future__ import annotations

import gc
import signal
import sys
from typing import NoReturn

import typer

from medaug.cli import (  # noqa: F401 - each defines its commands on `app`
    benchmark,
    boxes,
    decisions,
    doctor,
    export,
    fetch,
    inspect,
    object_storage,
    preview,
    prior_convert,
    prior_training,
    priors,
    profiles,
    realism,
    review,
    run,
    select,
    send,
    status,
    verify,
)
from medaug.cli.console import ClickError, say, usage_words
from medaug.cli.options import app
from medaug.errors import MedaugError, SourceError, place_of
from medaug.processes.freed_memory import keep_freed_memory
from medaug.processes.run_on import PASSED_ON, run_on

OBJECTS = 200_000  # made before circles are looked for; by Python's 700, loading spends a quarter of its time on that


def program() -> None:
    """Entry point of a process: `main`, and a run goes on after one endless call."""
    if sys.argv[1:2] == ["run"]:
        run_on(lambda sentence: say(f"medaug: {sentence}", err=True))
        if PASSED_ON is not None:
            signal.signal(PASSED_ON, _interrupt)
    main()


def main() -> None:
    """Turn known errors into one sentence and an exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    gc.set_threshold(OBJECTS)
    keep_freed_memory()
    try:
        code = app(standalone_mode=False) or 0
    except ClickError as error:
        _fail(usage_words(error), 2)
    except typer.Abort:
        _fail("aborted", 1)
    except SourceError as error:
        _fail(_coded(error), 3 if error.code in {"no-input", "empty-input"} else 2)
    except MedaugError as error:
        _fail(_coded(error), 2)
    except OSError as error:  # what it is about may be a name of the input: only what is wrong with it is shown
        _fail(f"a file or folder can't be used ({error.strerror or type(error).__name__}); check it and its rights", 2)
    except Exception as error:  # noqa: BLE001 - an input's name may stand in its message: only the place is shown
        _fail(f"unexpected {type(error).__name__} at {place_of(error)}; please report this line", 1)
    except Interrupted:
        _fail("interrupted; give the same command again, it continues", 130)
    raise SystemExit(code)


class Interrupted(BaseException):
    """SIGINT or SIGTERM came. Not KeyboardInterrupt, which the command-line library would turn into a silent exit."""


def _interrupt(_number: int, _frame: object) -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)  # a second one is immediate
    if PASSED_ON is not None and signal.getsignal(PASSED_ON) is _interrupt:
        signal.signal(PASSED_ON, signal.SIG_IGN)  # it tells of the first
    raise Interrupted


def _coded(error: MedaugError) -> str:
    """A sentence for a person, and a code for a program."""
    return f"{error} [{error.code}]"


def _fail(message: str, code: int) -> NoReturn:
    say(f"medaug: {message}", err=True)
    raise SystemExit(code)

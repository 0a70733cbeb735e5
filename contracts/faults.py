"""How a fault that nobody foresaw is told: its type and the places that it went through, never its words.

Rules:
- The words of an exception may quote whatever was in hand: a name, a national id, a payload. They are not repeated, on
  standard error or in a log; nor are those of the exceptions from which it came.
- A service of ours calls `tell_faults_without_words` first, so that this holds for every thread of it too.

From here: the worker, a subscription, the command line.
"""

from __future__ import annotations

import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import Final

from contracts.failures import Failure, UnforeseenFault

FRAMES_SHOWN: Final = 6


def told(error: BaseException) -> str:
    """Return an unforeseen `error` as one line: `KeyError` in `store.py:12 < worker.py:80`, innermost place first."""
    frames = [*reversed(traceback.extract_tb(error.__traceback__))][:FRAMES_SHOWN]
    places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
    return f"`{type(error).__name__}` in `{places or '?'}`"


def failure_of(error: Exception) -> Failure:
    """Return `error` as a failure: itself where it is one, else an unforeseen fault, which is tried again."""
    if isinstance(error, Failure):
        return error
    return UnforeseenFault(f"unexpected {told(error)}: please report this line")


def tell_faults_without_words() -> None:
    """Let no thread of this program end in a traceback that quotes its exception."""
    sys.excepthook = _main_thread_ended
    threading.excepthook = _thread_ended
    sys.unraisablehook = lambda unraisable: _say(unraisable.exc_value)


def _main_thread_ended(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    _say(error)


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_type is not SystemExit:
        _say(ended.exc_value)


def _say(error: BaseException | None) -> None:
    if error is not None and sys.stderr is not None:
        sys.stderr.write(f"unexpected {told(error)}\n")

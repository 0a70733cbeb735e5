"""A fault that nobody foresaw is told without its words, whichever thread it ends."""

from __future__ import annotations

import subprocess
import sys

import pytest

from contracts.faults import FRAMES_SHOWN, told

SECRET = "Kanarie 0704881239"
PROGRAM = """
import threading
from contracts.faults import tell_faults_without_words
tell_faults_without_words()
class Odd:
    def __del__(self):
        raise ValueError("{secret}")
def fail():
    raise KeyError("{secret}") from ValueError("{secret}")
{last}
"""
ENDINGS = {
    "main thread": ("fail()", 1),
    "another thread": ("t = threading.Thread(target=fail); t.start(); t.join()", 0),
    "a thread that ends the program": ("t = threading.Thread(target=exit); t.start(); t.join()", 0),
    "nobody's frame": ("x = Odd(); del x", 0),
}


def test_a_fault_is_told_by_type_and_places_innermost_first() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        _outer(0)
    words = told(raised.value)
    assert words.startswith("`ZeroDivisionError` in `test_faults.py:")
    assert words.count(" < ") == 2
    assert told(ValueError(SECRET)) == "`ValueError` in `?`"


def test_a_long_way_is_cut() -> None:
    with pytest.raises(RecursionError) as raised:
        _endless()
    assert told(raised.value).count(" < ") == FRAMES_SHOWN - 1


def _outer(number: int) -> float:
    return _inner(number)


def _inner(number: int) -> float:
    return 1 / number


def _endless() -> None:
    _endless()


@pytest.mark.parametrize("where", ENDINGS)
def test_no_thread_of_a_program_repeats_the_words(where: str) -> None:
    last, code = ENDINGS[where]
    program = PROGRAM.format(secret=SECRET, last=last)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code
    assert SECRET not in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("unexpected `") == (where != "a thread that ends the program")

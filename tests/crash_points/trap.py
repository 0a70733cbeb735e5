"""Sets the crash points in a process: it notes which of them it passes, and dies at the one that is armed.

Rules:
- A directory holds the state: `reached` has the name of each point that was passed, `armed` one point, how many calls
  of it are left and a token, `crashed` the point at which the process died.
- It dies as by `kill -9`: nothing is flushed, closed or said.

The processes are `tests.crash_points.hub` and `tests.crash_points.consumer`.
"""

from __future__ import annotations

import functools
import importlib
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.crash_points.points import Point, Store


class Trap:
    """One process's side of `directory`."""

    def __init__(self, directory: Path) -> None:
        self._reached_file = directory / "reached"
        self._armed_file = directory / "armed"
        self._crashed_file = directory / "crashed"
        self._reached: set[str] = set()
        self._token = ""
        self._calls = 0

    def set(self, points: Iterable[Point], store: Store) -> None:
        """Watch the functions of `points`."""
        for point in points:
            holder, name = holder_of(point.function_on(store))
            setattr(holder, name, self._watching(getattr(holder, name), point))

    def _watching(self, original: Callable[..., Any], point: Point) -> Callable[..., Any]:
        @functools.wraps(original)
        def watched(*given: Any, **more: Any) -> Any:
            if point.moment == "before":
                self._pass(point, given, None)
            result = original(*given, **more)
            if point.moment == "after":
                self._pass(point, given, result)
            return result

        return watched

    def _pass(self, point: Point, given: tuple[Any, ...], result: Any) -> None:
        if not point.counts(given, result):
            return
        if point.name not in self._reached:
            self._reached.add(point.name)
            with self._reached_file.open("a", encoding="ascii") as file:
                file.write(f"{point.name}\n")
        try:
            name, call, token = self._armed_file.read_text(encoding="ascii").split()
        except FileNotFoundError:
            return
        if name != point.name:
            return
        self._calls = self._calls + 1 if token == self._token else 1
        self._token = token
        if self._calls >= int(call):
            self._armed_file.unlink()
            self._crashed_file.write_text(name, encoding="ascii")
            os.kill(os.getpid(), signal.SIGKILL)


class Trigger:
    """The driver's side of `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._armed = 0

    def arm(self, point: Point, call: int) -> None:
        """Let the process die at that call of `point`, counted from now."""
        self._armed += 1
        (self._directory / "crashed").unlink(missing_ok=True)
        unfinished = self._directory / "armed.unfinished"
        unfinished.write_text(f"{point.name} {call} {self._armed}", encoding="ascii")
        unfinished.replace(self._directory / "armed")

    def disarm(self) -> None:
        """Let nobody die."""
        (self._directory / "armed").unlink(missing_ok=True)

    def crashed(self) -> str:
        """The point at which the process died since it was armed; empty while it lives."""
        file = self._directory / "crashed"
        return file.read_text(encoding="ascii") if file.exists() else ""

    def reached(self) -> set[str]:
        """The points that were passed since the directory was made."""
        file = self._directory / "reached"
        return set(file.read_text(encoding="ascii").split()) if file.exists() else set()


def holder_of(function: str) -> tuple[Any, str]:
    """The module or class that has the function `module:name` or `module:Class.name`, and its name there."""
    module, _, path = function.partition(":")
    *classes, name = path.split(".")
    holder = functools.reduce(getattr, classes, importlib.import_module(module))
    if not callable(getattr(holder, name, None)):
        raise LookupError(f"`{function}` is not there any more: mend `tests/crash_points/points.py`")
    return holder, name

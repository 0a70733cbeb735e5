"""A run of many seeds that may be cut and go on: how far it has come lies in a file.

Rules:
- Seeds are played in order, so what is played is the first so many of them.
- A run goes on only with the code that it began with, and with the same seeds: its figures are those of one program.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from contracts.failures import BadSetting
from contracts.private_files import write_private
from tests.simulator.history import Outcome
from tests.simulator.running import TRACE_SHOWN, Summary

_ROOT: Final = Path(__file__).resolve().parents[2]
_PLAYED: Final = ("contracts", "hub", "consumers", "deploy/scenario", "tests/simulator", "tests/store", "tests/safety")
"""Where the code and the data lie that a history is played with."""


def digest_of_code() -> str:
    """Return a digest of all that a history is played with."""
    digest = hashlib.sha256()
    for folder in _PLAYED:
        for file in sorted((_ROOT / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(_ROOT)}\n".encode() + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(slots=True)
class LongRun:
    """What was played of the seeds from `first` on. Without a file nothing is kept."""

    file: Path | None
    first: int
    seeds: int
    summary: Summary = field(default_factory=Summary)
    seconds: float = 0.0
    code: str = ""

    @classmethod
    def begun(cls, file: Path | None, seeds: range) -> LongRun:
        """Return the run that `file` holds, or a new one; raise `BadSetting` for one of other seeds or other code."""
        run = cls(file, seeds.start, len(seeds), code=digest_of_code() if file else "")
        if file is None or not file.exists():
            return run
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            failed = [Outcome(**each) for each in kept["failed"]]
            run.summary, run.seconds = Summary(kept["played"], kept["steps"], failed), kept["seconds"]
        except (ValueError, KeyError, TypeError) as error:
            raise BadSetting(f"file `{file}` holds no run ({type(error).__name__}): name another file") from None
        if (kept["first"], kept["seeds"]) != (run.first, run.seeds):
            raise BadSetting(f"file `{file}` holds a run of other seeds: name the same ones, or another file")
        if kept["code"] != run.code:
            raise BadSetting(f"file `{file}` holds a run of other code: begin anew in another file")
        return run

    def left(self) -> range:
        """Return the seeds that are still to be played."""
        return range(self.first + self.summary.seeds, self.first + self.seeds)

    def keep(self, seconds: float) -> None:
        """Write down how far it has come, after so many `seconds` in all."""
        if self.file is None:
            return
        failed = [asdict(outcome) | {"trace": outcome.trace[-TRACE_SHOWN:]} for outcome in self.summary.failed]
        kept = {
            "code": self.code,
            "first": self.first,
            "seeds": self.seeds,
            "played": self.summary.seeds,
            "steps": self.summary.steps,
            "seconds": round(seconds, 1),
            "failed": failed,
        }
        write_private(self.file, json.dumps(kept))

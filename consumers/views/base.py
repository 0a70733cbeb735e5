"""What a view is: one line per citizen, folded from the events that its agency may see.

Rules:
- A line is folded afresh from all visible events of that citizen whenever one of them changes. So a retraction
  leaves no trace, and the order in which events came does not matter.
- A fold is pure: no clock, no I/O. It reads only the event types that the view names.
- A line holds codes, times and ids, never words; words come from `consumers/texts`.
- What is not known is `None`, or named in `missing`; whether it is closed or was never stated cannot be told.

From `consumers.store`, to `consumers.rendering`.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, wraps
from pathlib import Path
from typing import Final

from consumers.views.reading import RETRACTION, taken_back
from consumers.visible import VisibleEvent

Line = Mapping[str, object]


class Shape(StrEnum):
    """What a column holds: text as it is, a code, codes, an instant in ms, a day number, a number, figures."""

    TEXT = "text"
    CODE = "code"
    CODES = "codes"
    INSTANT = "instant"
    DAY = "day"
    NUMBER = "number"
    FIGURES = "figures"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `name` is a lower-case word, for it names a column of a table as well."""

    name: str
    shape: Shape

    @property
    def is_list(self) -> bool:
        """Whether it holds a list, which a table of lines keeps as JSON."""
        return self.shape in (Shape.CODES, Shape.FIGURES)


@dataclass(frozen=True)
class View:
    """One agency's view. `event_types` are those that `fold` reads; empty means all."""

    name: str
    columns: tuple[Column, ...]
    event_types: frozenset[str]
    fold: Callable[[Sequence[VisibleEvent]], Line | None]
    """Events of one citizen in their order -> the line's columns, or `None`: this citizen has no line."""
    counts_only: bool = False
    """Whether its reader may see counts of many citizens and never a line."""

    def reads(self, event_types: Iterable[str]) -> bool:
        """Whether a change of events of these types can change a line."""
        return not self.event_types or not self.event_types.isdisjoint(event_types)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the code of the fold and of what it stands on; another one means: fold again."""
        files = {Path(__file__), Path(__file__).with_name("reading.py")}
        source = sys.modules[self.fold.__module__].__file__
        if source:
            files.add(Path(source))
        return hashlib.sha256(b"".join(file.read_bytes() for file in sorted(files))).hexdigest()


MISSING: Final = Column("missing", Shape.CODES)
"""What this agency does not know and would need; the codes are those of `texts`, section `missing`."""
CUSTODY_COLUMNS: Final = (
    Column("custody", Shape.CODE),
    Column("since", Shape.INSTANT),
    Column("institution", Shape.TEXT),
    Column("planned_release", Shape.DAY),
    Column("released_at", Shape.INSTANT),
    Column("release_kind", Shape.CODE),
)
"""What the views that follow a citizen through custody say first: `reading.custody_line` and the planned release."""


REMINDER: Final = "ReminderRaised"
REMINDER_COLUMNS: Final = (
    Column("reminders", Shape.CODES),
    Column("reminded_since", Shape.INSTANT),
    Column("perhaps_not_stated", Shape.CODES),
)
"""What the hub reminds the agency of, since when the first of it has run out, and of what the publishers are silent."""


def standing(view: View) -> View:
    """Return `view` without what its own publisher has taken back: the hub leaves that fact to its publisher alone."""

    @wraps(view.fold)
    def fold(events: Sequence[VisibleEvent]) -> Line | None:
        gone = taken_back(events)
        stand = [event for event in events if view.reads([event.event_type]) and _identity(event) not in gone]
        return view.fold(stand) if stand else None

    wanted = view.event_types | {RETRACTION} if view.event_types else view.event_types
    return replace(view, event_types=wanted, fold=fold)


def _identity(event: VisibleEvent) -> tuple[str, str]:
    return event.party, event.event_id


def reminded(view: View) -> View:
    """Return `view` with what the hub reminds its agency of; a citizen with nothing but that has a line too."""

    @wraps(view.fold)
    def fold(events: Sequence[VisibleEvent]) -> Line | None:
        raised = [event.payload for event in events if event.event_type == REMINDER]
        line = view.fold([event for event in events if event.event_type != REMINDER])
        if not raised:
            return line
        since = [said["dueAt"] for said in raised if "dueAt" in said]
        return {
            **(line or {}),
            "reminders": _kinds(raised),
            "reminded_since": min(since, default=None),
            "perhaps_not_stated": _kinds(said for said in raised if said.get("publishersSilent") is True),
        }

    return replace(view, columns=view.columns + REMINDER_COLUMNS, event_types=view.event_types | {REMINDER}, fold=fold)


def _kinds(raised: Iterable[Mapping[str, object]]) -> list[str]:
    return sorted({str(said["kind"]) for said in raised if "kind" in said})


def missing(line: Mapping[str, object], needs: Mapping[str, str]) -> list[str]:
    """Return the codes of `needs` (code -> column) whose column holds nothing in `line`."""
    return [code for code, column in needs.items() if line.get(column) in (None, [], "")]

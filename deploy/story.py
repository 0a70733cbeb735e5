"""The words of the demo: what was found while a case was played, as a newcomer reads it.

Rules:
- The story is in English; event types and categories are in the caseworkers' language (`consumers.wording`).
- Tables fit a terminal of 100 columns. A cell says what that agency sees of that event, in a word per category.
- Only what was found is told: no sentence here states an outcome that was not looked up.

Findings come from `deploy.demonstration`; the lines go to `say`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Final

from consumers.wording import Wording
from contracts.catalogue import catalogue
from contracts.categories import Category, categories_of
from contracts.civil_time import format_local
from contracts.event_types import NEVER
from deploy.scenario.expansion import Playbook
from deploy.scenario.report import Played, lines, summary
from deploy.scenario.scenario import ScenarioEvent

Seen = Mapping[str, Mapping[str, int]]
"""Party -> event of the scenario -> the categories that the party sees of it."""

AGENCIES: Final[Mapping[str, str]] = {
    "PRI": "prison",
    "KIF": "probation",
    "A.SOC": "social services",
    "A.ADD": "addiction treatment",
    "A.JOB": "job centre",
    "A.BEN": "benefits",
}
WIDTH: Final = 100
EVENT_WIDTH: Final = 26
NOTHING: Final = "."


class Story:
    """Says what was found in `playbook`, line by line, through `say`."""

    def __init__(self, playbook: Playbook, words: Wording, say: Callable[[str], object]) -> None:
        self.words = words
        self._playbook = playbook
        self._zone = playbook.scenario.zone
        self._say = say

    def local(self, at: int) -> str:
        """A time as the commands take it: `2025-08-14T10:00`."""
        return format_local(at, self._zone).replace(" ", "T")

    def day(self, at: int) -> str:
        """The local day of a time."""
        return format_local(at, self._zone)[:10]

    def begin(self) -> None:
        """Say what is going to happen."""
        self._heading("One citizen, six agencies")
        self._paragraph(
            "A citizen goes to prison, agrees to treatment, narrows the consent, and is released on parole. Each "
            "agency tells the hub its own part under its own credentials. The hub passes on what the law or the "
            "citizen's consent allows, field by field, and nothing else. The broker is a real Kafka."
        )

    def before(self, at: int, parties: Sequence[str], seen: Seen) -> None:
        """Show the case as several agencies see it before the consent is narrowed."""
        self._heading(f"The same case on {self.day(at)}, as five agencies see it")
        self._table(at, parties, seen)
        self._paragraph(
            f"A word is a category of data that this agency sees of the event; `{NOTHING}` means that for this agency "
            "the event does not exist: no gap, no count and no key tells that there is one."
        )

    def narrowed(self, at: int, vanished: Seen) -> None:
        """Show what vanished when the consent was narrowed, and where."""
        self._heading(f"{self.day(at)}: the citizen takes substance use out of the consent")
        for party, events in vanished.items():
            for event_id, mask in events.items():
                self._say(f"  {AGENCIES[party]:<20} {self._title(event_id)}: {self._categories(mask)}")
        self._paragraph(
            f"This is gone from the stores of {len(vanished)} agencies: the hub sent each of them what to take back, "
            "and each subscription has done so. What a law allows without the consent is still there."
        )

    def refused(self, party: str, owner: str, answer: str) -> None:
        """Show the broker refusing a write on another party's topic."""
        self._heading(f"{AGENCIES[party].capitalize()} tries to speak for {AGENCIES[owner]}")
        self._paragraph(f"With its own password it writes to the topic of {owner}. The broker's answer:")
        self._paragraph(answer)

    def explained(self, event_id: str, party: str, field: str, explanation: Iterable[str]) -> None:
        """Show why a party does not see a field any more."""
        title = self._title(event_id)
        self._heading(f'Why does {AGENCIES[party]} not see the field `{field}` of "{title}" any more?')
        for line in explanation:
            self._paragraph(line, hanging="          ")

    def after_release(self, at: int, parties: Sequence[str], seen: Seen, screen: str) -> None:
        """Show who sees the case after release, and the screen of the party that takes over."""
        self._heading(f"{self.day(at)}: the citizen has been released on parole")
        probation = parties[-1]
        for party in parties:
            count = len(seen[party])
            self._paragraph(f"Events of other agencies that {AGENCIES[party]} sees: {count or 'none'}")
        self._table(at, parties, seen)
        self._paragraph(f"What {AGENCIES[probation]} has on its screen (its own events included):")
        self._say(textwrap.indent(screen, "  "))

    def compared(self, played: Played) -> None:
        """Say whether every view was as the scenario expects; the last line counts."""
        self._heading("Was it right?")
        self._paragraph(
            "For several days the scenario says exactly what each agency must see, and on what basis. Each such view "
            "was compared with the agency's own store and with the decisions that the hub has recorded:"
        )
        if not all(view.is_equal for view in played.views):
            self._say("\n".join(lines(played)))
        self._say(summary([played]))

    def suggest(self, suggestions: Iterable[tuple[str, str]]) -> None:
        """Say what to try next; every command works without a broker on what the demo has left."""
        self._heading(f"What to try next, in {Path.cwd()} (no broker needed)")
        for why, command in suggestions:
            self._say(f"  # {why}\n  {command}")

    def _heading(self, text: str) -> None:
        self._say(f"\n== {text}")

    def _paragraph(self, text: str, hanging: str = "") -> None:
        self._say(textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent=f"  {hanging}"))

    def _title(self, event_id: str) -> str:
        return self.words.event_type(self._playbook.scenario.event[event_id].type)

    def _categories(self, mask: int) -> str:
        return ", ".join(self.words.short_category(category) for category in categories_of(mask))

    def _events_at(self, at: int) -> Iterator[ScenarioEvent]:
        """What has been stated by `at` about the case and not been corrected, but consents, which have own rules."""
        stated = [event for event in self._playbook.scenario.events if event.recorded_at <= at]
        corrected = {event.corrects for event in stated}
        for event in stated:
            anchor = catalogue().event_types[event.type].anchor
            if event.id not in corrected and anchor not in (NEVER, Category.CO):
                yield event

    def _table(self, at: int, parties: Sequence[str], seen: Seen) -> None:
        width = (WIDTH - EVENT_WIDTH) // len(parties)
        self._row([""] + [f"{AGENCIES[party]} ({party})" for party in parties], width)
        self._say("  " + "-" * (WIDTH - 2))
        for event in self._events_at(at):
            cells = [f"{self._title(event.id)}"]
            for party in parties:
                stated = self.words.phrase("stated_it") if party == event.party else NOTHING
                cells.append(self._categories(seen[party].get(event.id, 0)) or stated)
            self._row(cells, width)

    def _row(self, cells: Sequence[str], width: int) -> None:
        widths = [EVENT_WIDTH - 2, *(width for _ in cells[1:])]
        columns = [textwrap.wrap(cell, wide - 2) for cell, wide in zip(cells, widths, strict=True)]
        for parts in zip_longest(*columns, fillvalue=""):
            line = "".join(f"{part:<{wide}}" for part, wide in zip(parts, widths, strict=True))
            self._say(f"  {line}".rstrip())


def lost(before: Seen, after: Seen) -> Seen:
    """What each party saw `before` and not `after`; parties that lost nothing are left out."""
    vanished = {
        party: {event_id: gone for event_id, mask in events.items() if (gone := mask & ~after[party].get(event_id, 0))}
        for party, events in before.items()
    }
    return {party: events for party, events in vanished.items() if events}


def seen_values(seen: Seen) -> dict[str, dict[str, list[str]]]:
    """What parties see as plain values: party -> event -> categories."""
    return {
        party: {event_id: [str(category) for category in categories_of(mask)] for event_id, mask in events.items()}
        for party, events in seen.items()
    }

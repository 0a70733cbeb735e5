"""A rehearsal: what every party would gain and lose if another rule set were in force, told without telling of anybody.

Rules:
- Each fact is decided twice at one moment, under the rule set in force and under the proposed one, by the code that
  decides in the hub. Fields are counted, not read: a field of a list's every item counts once for the item.
- Only sums leave: no case, event, key or value. What concerns fewer than five cases is not counted out.
- A party's own facts, and a change of the basis alone, are no gain and no loss.

Pure. Cases come from the stores of a world, through `hub rules rehearse`, which prints the sums.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.categories import BIT, Category, categories_of
from contracts.event_types import DOMAIN, NEVER, EventType, domain_bit
from hub.case_timeline.timeline import CaseTimeline, Reader, TimelineFact
from hub.consent.agreements import NO_AGREEMENTS, Agreements
from hub.consent.policy import Policy
from hub.disclosure.settlement import decisions_on, mask_of_shown, rights_in

CASES_MIN: Final = 5
"""Sums over fewer cases are suppressed (domain specification, 4.3, N2)."""

Place = tuple[str, str, Category]
"""Receiving party, event type, category."""


@dataclass(slots=True)
class Sums:
    """Fields gained and lost at one place, and in how many cases."""

    gained: int = 0
    lost: int = 0
    cases: int = 0


class Rehearsal:
    """Takes in case after case; holds sums alone."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._sums: dict[Place, Sums] = {}
        self.decided = 0
        self.changed = 0

    def take(
        self,
        case: CaseTimeline,
        at: int,
        in_force: Policy,
        proposed: Policy,
        agreements: Agreements = NO_AGREEMENTS,
    ) -> None:
        """Decide every fact of a case under both rule sets at `at`, with the agreements known then.

        A case that was merged into another shows nobody anything under any rules: the other one counts.
        """
        if case.merged_into is not None:
            return
        deciders = [rights_in(case, at, policy, agreements=agreements).decider for policy in (in_force, proposed)]
        gained, lost = Counter[Place](), Counter[Place]()
        for event_id, entry in case.facts.items():
            before, after = (decisions_on(entry.outline, case.dead.get(event_id), decider) for decider in deciders)
            for party in (before.keys() | after.keys()) - {entry.outline.party}:
                masks = mask_of_shown(before.get(party, ())), mask_of_shown(after.get(party, ()))
                withheld = (
                    in_force.withheld_fields(entry.outline.event_type, party),
                    proposed.withheld_fields(entry.outline.event_type, party),
                )
                if masks[0] != masks[1] or withheld[0] != withheld[1]:
                    was, is_now = (
                        self._visible(entry, mask, hidden) for mask, hidden in zip(masks, withheld, strict=True)
                    )
                    gained.update(_at(party, entry.outline.event_type, is_now - was))
                    lost.update(_at(party, entry.outline.event_type, was - is_now))
        self._add(gained, lost)

    def sums(self) -> list[tuple[Place, Sums]]:
        """The sums of every place where something differs, sorted by place."""
        return sorted(self._sums.items(), key=lambda item: item[0])

    def _add(self, gained: Counter[Place], lost: Counter[Place]) -> None:
        self.decided += 1
        places = gained.keys() | lost.keys()
        self.changed += bool(places)
        for place in places:
            sums = self._sums.setdefault(place, Sums())
            sums.gained += gained[place]
            sums.lost += lost[place]
            sums.cases += 1

    def _visible(self, entry: TimelineFact, mask: int, withheld: frozenset[str]) -> Counter[Category]:
        if not mask:
            return Counter()
        event_type = self._reader.catalogue.event_types[entry.outline.event_type]
        payload = self._reader.codec.decode_body(entry.record.schema_id, entry.record.value)
        return visible_fields(event_type, payload, mask, withheld)


def visible_fields(
    event_type: EventType, payload: Mapping[str, Any], mask: int, withheld: frozenset[str]
) -> Counter[Category]:
    """How many fields of each category `mask` shows; the items of a list that is cut by domain count one by one."""
    found = Counter[Category]()
    for field in event_type.fields:
        value = payload.get(field.name)
        if value is None or field.category == NEVER or field.name in withheld:
            continue
        if field.category != DOMAIN:
            bits = [BIT[Category(field.category)]]
        elif field.repeated:
            bits = [domain_bit(item["domain"] if isinstance(item, Mapping) else item) for item in value]
        else:
            bits = [domain_bit(payload.get("domain"))]
        found.update(category for bit in bits for category in categories_of(bit & mask))
    return found


def counted(sums: Sums) -> tuple[str, str, str]:
    """Gained, lost and cases as text; few cases are not counted out."""
    if sums.cases < CASES_MIN:
        return _some(sums.gained), _some(sums.lost), f"<{CASES_MIN}"
    return str(sums.gained or "-"), str(sums.lost or "-"), str(sums.cases)


def _some(count: int) -> str:
    return "some" if count else "-"


def _at(party: str, event_type: str, counts: Counter[Category]) -> dict[Place, int]:
    return {(party, event_type, category): count for category, count in counts.items()}

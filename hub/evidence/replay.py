"""Replays a case from what is stored: what was true on V, as known on T, and who was told what of it.

Rules:
- Bitemporal: `known_at` cuts by recorded time, `valid_at` by occurred time; nothing later leaks in.
- Facts come in the order in which views sort them: occurred, recorded, id. A fact that was recorded late says so.
- Reading changes nothing; the store is open for reading only.

For auditors (`hub case timeline`); records come from `hub.store`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.failures import NotFound
from hub.case_timeline.known import known_at
from hub.case_timeline.timeline import CaseTimeline, Reader, TimelineFact, timeline_of
from hub.disclosure.settlement import mask_of_shown
from hub.store.records import CaseRecord, DecisionsRecorded, MergeStepped, Shown

LATE_MS: Final = 24 * 60 * 60 * 1000
"""A fact recorded more than a day after it occurred is late (domain specification, 2.1)."""
LIVE: Final = "live"


@dataclass(frozen=True, slots=True)
class Telling:
    """One decision on one fact. `number` 0: recorded, not sent; empty `shown`: taken back.

    `rule_set`, `registry` and `agreements` are the digests that it cites (`hub.evidence.grounds`).
    `settlement` is the version at which it stands on the case's stream. `again`: it shows the categories that the party
    was shown before, and was sent nevertheless, since the party asked for a resync.
    """

    party: str
    shown: Shown
    number: int
    clock: int
    rule_set: str
    registry: str
    agreements: str
    settlement: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class ReplayedFact:
    """One fact as an auditor sees it. `state` is `live`, `corrected`, `retracted` or `unlinked`.

    `recorded_at` is when this case got it; `first_recorded_at` differs where it came from another case in a merge.
    """

    event_id: str
    event_type: str
    party: str
    occurred_at: int
    recorded_at: int
    first_recorded_at: int
    from_case: str | None
    state: str
    corrects: str | None
    payload: Mapping[str, Any]
    tellings: tuple[Telling, ...]

    @property
    def is_late(self) -> bool:
        """Whether it was recorded more than a day after it occurred."""
        return self.first_recorded_at - self.occurred_at > LATE_MS


@dataclass(frozen=True, slots=True)
class Replay:
    """A case as known at some time: its facts in view order, the records that were known then, and those `later`."""

    case: CaseTimeline
    facts: tuple[ReplayedFact, ...]
    records: tuple[CaseRecord, ...]
    later: tuple[CaseRecord, ...] = ()

    @property
    def merges(self) -> tuple[MergeStepped, ...]:
        """The steps of merges, in order."""
        return tuple(record for record in self.records if isinstance(record, MergeStepped))

    def fact(self, reference: str) -> ReplayedFact:
        """The fact whose event id is, or ends with, `reference`; raises `NotFound` where none or several are."""
        found = [fact for fact in self.facts if fact.event_id == reference or fact.event_id.endswith(f"/{reference}")]
        if len(found) != 1:
            raise NotFound(f"event `{reference}`: {len(found)} of this case match; give `<party>/<ce_id>`")
        return found[0]


def replay(
    records: Iterable[CaseRecord], case_id: str, reader: Reader, known: int | None = None, valid: int | None = None
) -> Replay:
    """Replay a case as known at `known` (default: all), with facts that occurred up to `valid` (default: all)."""
    stored = list(records)
    held = stored if known is None else list(known_at(stored, known))
    case = timeline_of(case_id, held, reader)
    if case.enrolled is None:
        raise NotFound("no such case was known then: give the case id that `hub case find` prints")
    tellings = _tellings(held, case.event_at)
    facts = [
        _replayed(case, entry, reader, tellings.get(entry.outline.event_id, ()))
        for entry in case.facts.values()
        if valid is None or entry.outline.occurred_at <= valid
    ]
    facts.sort(key=lambda fact: (fact.occurred_at, fact.recorded_at, fact.event_id))
    return Replay(case, tuple(facts), tuple(held), tuple(stored[len(held) :]))


def _tellings(records: Iterable[CaseRecord], event_at: Mapping[int, str]) -> dict[str, list[Telling]]:
    tellings: dict[str, list[Telling]] = {}
    masks: dict[tuple[int, str], int] = {}
    for record in records:
        if isinstance(record, DecisionsRecorded):
            for decision in record.decisions:
                place, mask = (decision.fact_version, decision.party), mask_of_shown(decision.shown)
                again = bool(decision.number) and masks.get(place) == mask
                masks[place] = mask
                cited = (record.rule_set, record.registry, record.agreements)
                telling = Telling(
                    decision.party,
                    decision.shown,
                    decision.number,
                    record.clock,
                    *cited,
                    record.originator_version,
                    again,
                )
                tellings.setdefault(event_at[decision.fact_version], []).append(telling)
    return tellings


def _replayed(case: CaseTimeline, entry: TimelineFact, reader: Reader, tellings: Iterable[Telling]) -> ReplayedFact:
    outline, origin = entry.outline, entry.record.origin
    return ReplayedFact(
        outline.event_id,
        outline.event_type,
        outline.party,
        outline.occurred_at,
        entry.record.recorded_at,
        origin.recorded_at if origin else entry.record.recorded_at,
        origin.case_id if origin and origin.case_id != case.case_id else None,
        case.dead[outline.event_id].how if outline.event_id in case.dead else LIVE,
        entry.record.corrects,
        reader.codec.decode_body(entry.record.schema_id, entry.record.value),
        tuple(tellings),
    )

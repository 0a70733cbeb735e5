"""Plays the facts of a case in many orders of arrival below the stamper: same recorded times, same views.

Rules:
- The facts are those that a played world has stored, with their recorded times; only their order changes.
- At each `X` time every fact known by then is folded in a drawn order. The case is settled at the end, and now and
  then on the way, so that what was told under half of the facts must be taken back again.
- What is compared is what each party was told in the end: there is no consumer here.
- The draw depends on the seed and the number of the order alone.

Facts come from `core_world`; the fold and the settlement are the hub's own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from contracts.parties import PartyRegistry
from deploy.scenario.comparison import Terms, ViewComparison, compared, union
from deploy.scenario.scenario import Expectation
from hub.case_timeline.timeline import CaseTimeline, Reader, fact_recorded
from hub.consent.policies import Policies
from hub.consent.policy import Policy
from hub.disclosure.settlement import Rights, differences, renewed
from hub.shard.reading import reader_for
from hub.store.records import CaseRecord, CitizenEnrolled, Decision, DecisionsRecorded, FactRecorded, Shown

SETTLE_ONE_IN: Final = 4


@dataclass(frozen=True)
class Deck:
    """What a case is folded from: its enrolment, its facts, and how they are read and decided."""

    enrolled: CitizenEnrolled
    facts: tuple[FactRecorded, ...]
    reader: Reader
    policies: Policies

    @classmethod
    def of(cls, records: Sequence[CaseRecord], registry: PartyRegistry) -> Deck:
        """Take the enrolment and the facts out of a case's stored records."""
        policies = Policies.load(registry)
        (enrolled,) = (record for record in records if isinstance(record, CitizenEnrolled))
        facts = tuple(record for record in records if isinstance(record, FactRecorded))
        return cls(enrolled, facts, reader_for(policies), policies)


def play_shuffled(deck: Deck, terms: Terms, number: int, seed: int) -> Iterator[ViewComparison]:
    """Play order `number` of `seed` and compare every `X` view."""
    draw = random.Random(f"{seed}/{number}")
    for expectation in terms.playbook.scenario.expectations:
        told = _told(deck, expectation.at, draw)
        yield from _compared(expectation, told, terms)


def _told(deck: Deck, at: int, draw: random.Random) -> Mapping[str, Mapping[str, Shown]]:
    """Return what each party was told of each event, all facts known at `at` being folded in a drawn order."""
    known = [record for record in deck.facts if record.recorded_at <= at]
    draw.shuffle(known)
    case = CaseTimeline(deck.enrolled.originator_id.partition(":")[2])
    case.fold(deck.enrolled, deck.reader)
    rights: Rights | None = None
    for left, record in zip(reversed(range(len(known))), known, strict=True):
        placed = record._replace(originator_version=case.version + 1)
        case.admit(placed, fact_recorded(record, deck.reader), deck.reader)
        if left == 0 or draw.randrange(SETTLE_ONE_IN) == 0:
            policy = deck.policies.in_force(deck.enrolled.jurisdiction, at)
            rights = _settle(case, rights, at, policy)
    return case.told


def _settle(case: CaseTimeline, rights: Rights | None, at: int, policy: Policy) -> Rights:
    rights, _ = renewed(case, rights, at, policy)
    changes = differences(case, rights.decider, list(case.facts))
    if changes:
        decisions = tuple(
            Decision(case.facts[change.event_id].version, change.party, change.shown, 0) for change in changes
        )
        record = DecisionsRecorded(case.case_id, case.version + 1, at, policy.digest, "", decisions)
        case.decided(record)
    return rights


def _compared(
    expectation: Expectation, told: Mapping[str, Mapping[str, Shown]], terms: Terms
) -> Iterator[ViewComparison]:
    for party, expected in expectation.views.items():
        decided = terms.decided({event: shown[party] for event, shown in told.items() if party in shown}, party)
        seen = {event_id: union(shown) for event_id, shown in decided.items()}
        got, differing = compared(expected, decided, seen)
        yield ViewComparison(expectation.line, expectation.at, party, expected, got, tuple(differing))

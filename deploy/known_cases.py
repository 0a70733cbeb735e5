"""Every citizen's case of a world as known at a cut-off, read one by one, for commands that count over many.

Only reads. What is kept of a case is for the caller to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from contracts.civil_time import day_date
from contracts.failures import DamagedStore
from deploy.stores import citizens_of
from deploy.world import World
from hub.case_timeline.known import known_at
from hub.case_timeline.timeline import CaseTimeline, Reader, timeline_of
from hub.consent.policies import Policies
from hub.consent.standing import Person
from hub.continuity.case import KnownCase, recorded_facts
from hub.continuity.terms import terms
from hub.store.ports import Erased
from hub.store.reader import ShardReader
from hub.store.records import CitizenEnrolled

CutOff = Callable[[str, int], int]
"""(jurisdiction, shard clock) -> the cut-off, in milliseconds."""


@dataclass(frozen=True, slots=True)
class ReadCase:
    """One case: its id, what the indicators read of it, and the timeline as known then."""

    case_id: str
    jurisdiction: str
    known: KnownCase
    timeline: CaseTimeline


def read_cases(
    world: World, stores: list[ShardReader], policies: Policies, reader: Reader, cut_off: CutOff
) -> Iterator[ReadCase]:
    """Read every case; one that was not enrolled by its cut-off is read as empty.

    One that was merged into another by then is left out: its facts are the other's, and nobody is counted twice.
    So is one that was erased, of which nothing can be read.
    """
    clocks = {id(store): store.head().clock for store in stores}
    for store, case_id in citizens_of(world.hub_secret, stores):
        try:
            read = read_case(store, case_id, policies, reader, cut_off, clocks[id(store)])
        except Erased:
            continue
        if read.timeline.merged_into is None:
            yield read


def read_case(
    store: ShardReader, case_id: str, policies: Policies, reader: Reader, cut_off: CutOff, clock: int
) -> ReadCase:
    """Read one citizen's case as known at its cut-off; `clock` is that of its shard (milliseconds)."""
    records = list(store.case_records(case_id))
    enrolled = timeline_of(case_id, records[:1], reader).enrolled
    if not isinstance(enrolled, CitizenEnrolled):
        raise DamagedStore("a case does not begin with its enrolment")
    at = cut_off(enrolled.jurisdiction, clock)
    timeline = timeline_of(case_id, known_at(records, at), reader)
    person = Person(day_date(enrolled.birth_date), enrolled.jurisdiction)
    policy = policies.in_force(enrolled.jurisdiction, at)
    known = KnownCase.of(recorded_facts(timeline, reader), person, at, policy, terms())
    return ReadCase(case_id, enrolled.jurisdiction, known, timeline)

"""How it must end: every view the fold of its topic, every topic the timelines filtered by the rules, all delivered.

Rules:
- The fold is a dictionary: a disclosure puts, a retraction removes, a number at or below the last one does nothing.
- The filter decides afresh: the stored facts of a case, folded here from bytes, one standing, one decision for each
  fact, cut. Nothing that the shard derived, cached or was told is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from consumers.visible import VisibleEvent
from contracts.catalogue import catalogue
from contracts.civil_time import day_date
from contracts.codec import codec
from contracts.fact import Fact, outline_of
from hub.broker.ports import InputRecord
from hub.consent.decision import Decider
from hub.consent.policy import Policy
from hub.consent.standing import Person, Superseded, derive
from hub.disclosure.cutter import cut
from hub.store.records import CaseRecord, CitizenEnrolled, FactRecorded, GovernanceOpened
from tests.consent.histories import held_by
from tests.simulator.accounts import HUB
from tests.simulator.invariants import DENSE, FRESH, VIEWED
from tests.simulator.machine import require

Seen = dict[tuple[str, str], dict[str, Any]]
"""(The party's own key, event id) -> the payload without what is absent."""


def fold(log: Iterable[InputRecord]) -> tuple[Seen, int]:
    """Fold one partition of a party's topic; return what it shows, and the last number."""
    seen: dict[tuple[str, str], bytes] = {}
    last = 0
    for record in log:
        number, place = _number_and_place(record)
        require(number <= last + 1, DENSE, f"number {number} lies after {last}")
        if number <= last:
            continue
        last = number
        seen.pop(place, None)
        if record.value is not None:
            seen[place] = record.value
    return {place: present(codec().decode(value).payload) for place, value in seen.items()}, last


def number_of(record: InputRecord) -> int:
    """The number of a record of a party's topic."""
    return _number_and_place(record)[0]


def _number_and_place(record: InputRecord) -> tuple[int, tuple[str, str]]:
    """The number of a record, and what it is about: key and event id."""
    headers = {name: value.decode() for name, value in record.headers}
    event_id = f"{headers['ce_source'].removeprefix('urn:party:')}/{headers['ce_id']}"
    return int(headers["hub_seq"]), ((record.key or b"").decode(), event_id)


def present(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what is null, in the items of lists too."""
    return {
        name: [present(item) if isinstance(item, dict) else item for item in value]
        if isinstance(value, list)
        else value
        for name, value in payload.items()
        if value is not None
    }


def overtaken(log: Iterable[InputRecord]) -> set[tuple[str, str]]:
    """What a number of `log` tells and a repeat of that number takes back, for a later number is going to tell it.

    A receiver that had lost what it read first knows the repeat alone.
    """
    told: dict[int, tuple[str, str]] = {}
    taken_back: set[tuple[str, str]] = set()
    for record in log:
        number, place = _number_and_place(record)
        if record.value is not None:
            told[number] = place
        elif number in told:  # by name, or by a record that names nothing
            taken_back.add(told[number])
    return taken_back


def view_equals_fold(
    party: str, view: Sequence[VisibleEvent], folded: Seen, unsteady: Collection[tuple[str, str]] = ()
) -> None:
    """Compare what a receiver's store shows with the fold of what it has read; of `unsteady`, it may lack any.

    Marks are no events of a view.
    """
    shown = {(event.key, f"{event.party}/{event.event_id}"): event.payload for event in view}
    folded = {
        place: payload
        for place, payload in folded.items()
        if not {"recipient", "requestId"} <= payload.keys() and (place in shown or place not in unsteady)
    }
    require(shown == folded, VIEWED, f"{party} sees {_difference(shown, folded)}")


def topic_equals_filter(party: str, folded: Seen, expected: Seen) -> None:
    """Compare what a topic shows at the end with what the timelines give."""
    require(folded == expected, FRESH, f"{party} was told {_difference(folded, expected)}")


def _difference(one: Mapping[Any, Any], other: Mapping[Any, Any]) -> str:
    more, less = one.keys() - other.keys(), other.keys() - one.keys()
    changed = [place for place in one.keys() & other.keys() if one[place] != other[place]]
    return f"{len(more)} too many {sorted(more)[:2]}, {len(less)} too few {sorted(less)[:2]}, {len(changed)} others"


def decided_afresh(
    records: Iterable[CaseRecord], policy_in: Callable[[str], Policy], at: int, key_of: Callable[[str], str]
) -> dict[str, Seen]:
    """What each party may see of one case at `at`, by party; `key_of` a party is its own key for the case."""
    facts: list[Fact] = []
    ended: dict[str, tuple[str, int]] = {}
    person = Person(day_date(0), "")
    for record in records:
        if isinstance(record, CitizenEnrolled | GovernanceOpened):
            born = record.birth_date if isinstance(record, CitizenEnrolled) else 0
            person = Person(day_date(born), record.jurisdiction)
        elif isinstance(record, FactRecorded):
            facts.append(_fact(record))
            _end(record, facts[-1].payload, ended)
    policy = policy_in(person.jurisdiction)
    decider = _decider(facts, ended, person, at, policy)
    views: dict[str, Seen] = {}
    for fact in facts:
        event_type = catalogue().event_types[fact.event_type]
        outline = outline_of(fact, event_type)
        how, _ = ended.get(fact.event_id, ("", 0))
        if how == "corrected" or (how and fact.party == HUB):
            continue
        shown = {fact.party: decider.shown(outline, fact.party)} if how else decider.decided(outline)
        for party, bases in shown.items():
            mask = 0
            for _, categories in bases:
                mask |= categories
            withheld = frozenset[str]() if party == fact.party else policy.withheld_fields(fact.event_type, party)
            form = cut(event_type, fact.payload, mask, withheld) if mask else None
            if form is not None:
                views.setdefault(party, {})[key_of(party), fact.event_id] = present(form)
    return views


def _fact(record: FactRecorded) -> Fact:
    payload = codec().decode_body(record.schema_id, record.value)
    return Fact(
        record.event_id,
        record.event_type,
        record.party,
        record.occurred_at,
        record.recorded_at,
        payload,
        corrects=record.corrects,
    )


def _end(record: FactRecorded, payload: Mapping[str, Any], ended: dict[str, tuple[str, int]]) -> None:
    """Note what a fact ends; corrected counts before retracted, and the first time counts."""
    how, target = ("corrected", record.corrects)
    if record.event_type == "EventRetracted":
        how, target = ("retracted", f"{record.party}/{payload['targetEventId']}")
    if target:
        before, at = ended.get(target, (how, record.recorded_at))
        ended[target] = ("corrected" if "corrected" in (how, before) else how, min(at, record.recorded_at))


def _decider(
    facts: Sequence[Fact], ended: Mapping[str, tuple[str, int]], person: Person, at: int, policy: Policy
) -> Decider:
    live = [fact for fact in facts if fact.event_id not in ended]
    by_id = {fact.event_id: fact for fact in facts}
    superseded = [Superseded(by_id[event_id], when) for event_id, (_, when) in ended.items() if event_id in by_id]
    publishers = frozenset(fact.party for fact in live if fact.event_type != "EventRetracted")
    gate_facts = [fact for fact in live if fact.event_type in policy.gate_types]
    return Decider(policy, derive(gate_facts, held_by(live), publishers, person, at, policy, superseded))

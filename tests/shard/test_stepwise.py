"""What a shard told step by step equals a fresh decision over the whole case, whatever the history.

The model is small: fold the stored facts afresh, derive once, decide every fact for every party. The shard beside it
works incrementally: batches of any size, ticks, a cache too small for one case, restarts from the store.
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.civil_time import day_date
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.event_types import EventType, Field, Kind
from contracts.fact import Fact, outline_of
from contracts.schema_ids import schema_ids
from hub.case_timeline.timeline import ABOUT_RECORDS
from hub.consent.decision import Decider
from hub.consent.policy import load_policy
from hub.consent.standing import Person, Superseded, derive
from hub.disclosure.cutter import cut
from hub.store.records import CitizenEnrolled, FactRecorded
from tests.consent.histories import FIRST_DAY, REGISTRY, History, held_by, histories
from tests.shard.harness import CASE, DAY_MS, ShardUnderTest
from tests.shard.resyncs import is_mark

PARTIES = tuple(party.id for party in REGISTRY)
HEALTHCARE_PROVIDERS = frozenset(party.id for party in REGISTRY if party.healthcare_provider)
POLICIES = {name: load_policy(name, REGISTRY) for name in ("DK", "SE")}


def _value(field: Field, value: Any, at: int) -> Any:
    """A value of the generated history, or any valid one, as the contract wants it."""
    if field.kind is Kind.RECORD:
        record = catalogue().records[field.type_name]
        given_items = value or ()
        return [_filled(record.fields, item, at) for item in given_items if item["domain"] != "UNHEARD_OF"]
    if value is not None:
        if field.kind is Kind.UUID:
            return str(uuid.uuid5(uuid.NAMESPACE_OID, str(value)))
        if field.repeated and field.kind is Kind.ENUM:
            return [symbol for symbol in value if symbol in catalogue().code_lists[field.type_name].symbols]
        return value
    if not field.mandatory:
        return None
    if field.repeated:
        return []
    return {
        Kind.UUID: str(uuid.uuid5(uuid.NAMESPACE_OID, field.name)),
        Kind.INT: 1,
        Kind.BOOL: False,
        Kind.TIMESTAMP: at,
        Kind.DATE: FIRST_DAY,
        Kind.DECIMAL: b"\x01",
        Kind.PARTY: "PRI",
        Kind.MUNICIPALITY: "A",
    }.get(field.kind) or _first_symbol(field)


def _first_symbol(field: Field) -> str:
    listed = catalogue().code_lists.get(field.type_name)
    return listed.symbols[0] if listed else "x"


def _filled(fields: tuple[Field, ...], values: dict[str, Any], at: int) -> dict[str, Any]:
    return {field.name: _value(field, values.get(field.name), at) for field in fields}


def _payload(event_type: EventType, fact: Fact) -> dict[str, Any]:
    return _filled(event_type.fields, {**fact.payload, "occurredAt": fact.occurred_at}, fact.occurred_at)


def publish(hub: ShardUnderTest, fact: Fact, number: int, corrects: str | None) -> None:
    """Publish a fact of a drawn history as its party's record of that number."""
    event_type = catalogue().event_types[fact.event_type]
    attributes = Attributes(
        id=str(uuid.UUID(int=number)),
        source=f"urn:party:{fact.party}:test",
        type=event_type.ce_type,
        time=fact.recorded_at,
        corrects=corrects,
        correlation=None,
        causation=None,
    )
    value = codec().encode(schema_ids().published(fact.event_type), _payload(event_type, fact))
    topic, key = hub.names.input(fact.party), hub.key(fact.party).encode()
    hub.broker.append(topic, 0, key, value, published_headers(attributes), hub.now)


def retract(hub: ShardUnderTest, fact: Fact, number: int) -> None:
    """Let the party take back its record of that number."""
    payload = {"targetEventId": str(uuid.UUID(int=number)), "at": hub.now, "reason": "DUPLICATE"}
    retraction = Fact("", "EventRetracted", fact.party, hub.now, hub.now, payload)
    event_type = catalogue().event_types["EventRetracted"]
    attributes = Attributes(
        str(uuid.UUID(int=10_000 + number)),
        f"urn:party:{fact.party}:test",
        event_type.ce_type,
        hub.now,
        None,
        None,
        None,
    )
    value = codec().encode(
        schema_ids().published("EventRetracted"),
        _filled(event_type.fields, {"occurredAt": hub.now, **payload}, hub.now) | payload,
    )
    topic, key = hub.names.input(retraction.party), hub.key(retraction.party).encode()
    hub.broker.append(topic, 0, key, value, published_headers(attributes), hub.now)


def _fresh_views(hub: ShardUnderTest) -> dict[str, dict[str, dict[str, Any]]]:
    """Every party's view, decided at once from all that is stored."""
    facts: dict[str, Fact] = {}
    corrected: dict[str, int] = {}
    retracted: dict[str, int] = {}
    person: Person | None = None
    for record in hub.store.case_records(CASE):
        if isinstance(record, CitizenEnrolled):
            person = Person(day_date(record.birth_date), record.jurisdiction)
        elif isinstance(record, FactRecorded):
            payload = codec().decode_body(record.schema_id, record.value)
            facts[record.event_id] = Fact(
                record.event_id, record.event_type, record.party, record.occurred_at, record.recorded_at, payload
            )
            if record.corrects:
                corrected.setdefault(record.corrects, record.recorded_at)
            if record.event_type == "EventRetracted":
                retracted.setdefault(f"{record.party}/{payload['targetEventId']}", record.recorded_at)
    assert person is not None
    dead = retracted | corrected
    live = [fact for fact in facts.values() if fact.event_id not in dead]
    types = catalogue().event_types
    policy = POLICIES[person.jurisdiction]
    standing = derive(
        [fact for fact in live if fact.event_type in policy.gate_types],
        held_by(live),
        frozenset(fact.party for fact in live if fact.event_type not in ABOUT_RECORDS),
        person,
        hub.shard.state.clock,
        policy,
        [Superseded(facts[event_id], at) for event_id, at in dead.items() if event_id in facts],
    )
    decider = Decider(policy, standing)
    views: dict[str, dict[str, dict[str, Any]]] = {party: {} for party in PARTIES}
    for fact in facts.values():
        outline = outline_of(fact, types[fact.event_type])
        for party in PARTIES:
            if fact.event_id in corrected or (fact.event_id in retracted and party != fact.party):
                continue
            mask = 0
            for _, categories in decider.shown(outline, party):
                mask |= categories
            withheld = frozenset() if party == fact.party else policy.withheld_fields(fact.event_type, party)
            form = cut(types[fact.event_type], fact.payload, mask, withheld) if mask else None
            if form is not None:
                views[party][fact.event_id] = form
    return views


def compare(hub: ShardUnderTest) -> None:
    """Hold what every party was told against the fresh decision over the whole case."""
    expected = _fresh_views(hub)
    for party in PARTIES:
        assert {event: said for event, said in hub.held(party).items() if not _is_about_no_case(said)} == expected[
            party
        ]


def _is_about_no_case(payload: dict[str, Any]) -> bool:
    """What a publisher is told of its parked records, and the marks of a resync."""
    return "parkedNumber" in payload or is_mark(payload)


def _play(hub: ShardUnderTest, history: History, data: st.DataObject) -> None:
    published: list[Fact] = []
    for number, fact in enumerate(sorted(history.facts, key=lambda fact: fact.recorded_at), start=1):
        hub.tick(max(0, fact.recorded_at - hub.now))
        same = [n for n, old in enumerate(published, 1) if (old.party, old.event_type) == (fact.party, fact.event_type)]
        corrected = data.draw(st.sampled_from([None, None, *same])) if same else None
        publish(hub, fact, number, str(uuid.UUID(int=corrected)) if corrected else None)
        published.append(fact)
        what = data.draw(st.sampled_from(("go on", "settle", "restart", "retract", "wait")))
        if what == "retract":
            victim = data.draw(st.integers(1, number))
            retract(hub, published[victim - 1], victim)
        if what == "wait":
            hub.tick(data.draw(st.integers(1, 400)) * DAY_MS // 4)
        if what != "go on":
            hub.settle()
            compare(hub)
        if what == "restart":
            hub.restart()
    hub.tick(DAY_MS)
    hub.settle()
    compare(hub)


@settings(
    max_examples=60,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data(), jurisdiction=st.sampled_from(("DK", "DK", "SE")), facts_max=st.sampled_from((1, 200_000)))
def test_what_was_told_step_by_step_is_the_fresh_decision(
    data: st.DataObject, jurisdiction: str, facts_max: int
) -> None:
    history = data.draw(histories(jurisdiction))
    with tempfile.TemporaryDirectory() as directory:
        hub = ShardUnderTest(Path(directory), PARTIES, (FIRST_DAY - 1) * DAY_MS, facts_max, HEALTHCARE_PROVIDERS)
        hub.enrol(born=history.person.birth_date, jurisdiction=jurisdiction)
        hub.enrol("5f0c7d1e-0000-4000-8000-000000000002")
        hub.settle()
        _play(hub, history, data)

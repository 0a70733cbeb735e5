"""Every reason to park, provoked among good records: parked under its own code, the next record handled."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from contracts.catalogue import catalogue
from contracts.codec import codec
from contracts.limits import VALUE_BYTES_MAX
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from hub.arrival.gate import CLOCK_SKEW_MS_MAX
from hub.broker.ports import InputRecord
from hub.store.records import FactRecorded, case_stream
from tests.shard.harness import CASE, DAY_MS, OTHER_CASE, ShardUnderTest, consent, imprisonment

Spoil = Callable[[ShardUnderTest, InputRecord], InputRecord]


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    return hub


def _with_header(record: InputRecord, name: str, value: bytes | None) -> InputRecord:
    headers = [(given, content) for given, content in record.headers if given != name]
    return record._replace(headers=[*headers, (name, value)] if value is not None else headers)


def _case_opened(record: InputRecord, **changes: object) -> InputRecord:
    assert record.value is not None
    payload = codec().decode(record.value).payload | changes
    return record._replace(value=codec().encode(schema_ids().published("CaseOpened"), payload))


def _of_type(hub: ShardUnderTest, record: InputRecord, name: str, payload: dict[str, object]) -> InputRecord:
    value = codec().encode(schema_ids().published(name), {"occurredAt": hub.now, **payload})
    typed = _with_header(record, "ce_type", catalogue().event_types[name].ce_type.encode())
    return typed._replace(value=value)


def _value(record: InputRecord) -> bytes:
    assert record.value is not None
    return record.value


SPOILT: dict[str, tuple[Reason, Spoil]] = {
    "no value": (Reason.EMPTY_VALUE, lambda hub, record: record._replace(value=None)),
    "empty value": (Reason.EMPTY_VALUE, lambda hub, record: record._replace(value=b"")),
    "too large": (
        Reason.TOO_LARGE,
        lambda hub, record: record._replace(value=_value(record) + b"\0" * VALUE_BYTES_MAX),
    ),
    "no frame": (Reason.BAD_FRAME, lambda hub, record: record._replace(value=b"\x01" + _value(record)[1:])),
    "cut frame": (Reason.BAD_FRAME, lambda hub, record: record._replace(value=b"\x00\x00")),
    "unknown schema": (
        Reason.UNKNOWN_SCHEMA,
        lambda hub, record: record._replace(value=b"\x00\x7f\xff\xff\xff" + _value(record)[5:]),
    ),
    "disclosed schema": (
        Reason.UNKNOWN_SCHEMA,
        lambda hub, record: record._replace(
            value=codec().encode(schema_ids().disclosed("CaseOpened"), {"occurredAt": hub.now, "caseNo": "1"}),
        ),
    ),
    "truncated": (Reason.BAD_AVRO, lambda hub, record: record._replace(value=_value(record)[:-3])),
    "trailing bytes": (Reason.BAD_AVRO, lambda hub, record: record._replace(value=_value(record) + b"\0")),
    "value outside the model": (
        Reason.VALUE_OUTSIDE_MODEL,
        lambda hub, record: _case_opened(record, caseNo="x" * 5_000),
    ),
    "time outside the model": (Reason.VALUE_OUTSIDE_MODEL, lambda hub, record: _case_opened(record, at=-(2**62))),
    "header missing": (Reason.BAD_HEADER, lambda hub, record: _with_header(record, "ce_time", None)),
    "header malformed": (Reason.BAD_HEADER, lambda hub, record: _with_header(record, "ce_id", b"not-a-uuid")),
    "header twice": (
        Reason.BAD_HEADER,
        lambda hub, record: record._replace(headers=[*record.headers, ("ce_specversion", b"1.0")]),
    ),
    "source of another party": (
        Reason.SOURCE_NOT_TOPICS_PARTY,
        lambda hub, record: _with_header(record, "ce_source", b"urn:party:PRI:test"),
    ),
    "type not the schema's": (
        Reason.TYPE_NOT_SCHEMAS,
        lambda hub, record: _with_header(record, "ce_type", catalogue().event_types["CaseClosed"].ce_type.encode()),
    ),
    "may not state": (
        Reason.MAY_NOT_STATE,
        lambda hub, record: _of_type(
            hub, record, "ReleaseDateSet", {"custodyId": CASE, "releaseDate": 20_000, "kind": "PAROLE"}
        ),
    ),
    "control record of an agency": (
        Reason.MAY_NOT_STATE,
        lambda hub, record: _of_type(
            hub, record, "KeyIssued", {"caseId": CASE, "party": "A.SOC", "key": hub.key("A.SOC")}
        ),
    ),
    "no key": (Reason.UNKNOWN_KEY, lambda hub, record: record._replace(key=None)),
    "key of nobody": (Reason.UNKNOWN_KEY, lambda hub, record: record._replace(key=b"nobody")),
    "key of another party": (Reason.UNKNOWN_KEY, lambda hub, record: record._replace(key=hub.key("PRI").encode())),
    "in the future": (
        Reason.IN_THE_FUTURE,
        lambda hub, record: _case_opened(record, occurredAt=hub.now + CLOCK_SKEW_MS_MAX + 1),
    ),
    "corrects what is not there": (
        Reason.CORRECTS_NOTHING,
        lambda hub, record: _with_header(record, "ce_corrects", b"00000000-0000-4000-8000-000000000009"),
    ),
    "retracts what is not there": (
        Reason.CORRECTS_NOTHING,
        lambda hub, record: _of_type(
            hub, record, "EventRetracted", {"targetEventId": CASE, "at": hub.now, "reason": "DUPLICATE"}
        ),
    ),
    "a receipt of nothing": (
        Reason.ANSWERS_NOTHING,
        lambda hub, record: _of_type(
            hub, record, "RemovalReceipted", {"targetEventId": CASE, "at": hub.now, "outcome": "PURGED"}
        ),
    ),
    "amends an unknown consent": (
        Reason.UNKNOWN_CONSENT,
        lambda hub, record: _of_type(
            hub, record, "ConsentAmended", consent(hub.now, ["HO"], ["A.SOC"]) | {"consentId": CASE}
        ),
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_bad_record_is_parked_under_its_code_and_the_next_is_handled(hub: ShardUnderTest, case: str) -> None:
    reason, spoil = SPOILT[case]
    before = hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "before")
    record = hub.last_input("A.SOC")
    hub.append("A.SOC", spoil(hub, _with_header(record, "ce_id", b"00000000-0000-4000-8000-0000000000aa")))
    after = hub.state("A.SOC", "CaseClosed", {"caseNo": "1", "at": hub.now}, "after")
    hub.settle()
    assert [(parked.reason, parked.originator_id) for parked in hub.parked()] == [(reason, "parked:A.SOC")]
    assert set(hub.view("A.SOC")) == {before, after}


def test_every_reason_of_one_record_is_provoked() -> None:
    signatures = {Reason.UNSIGNED, Reason.UNKNOWN_SIGNING_KEY, Reason.BAD_SIGNATURE}
    elsewhere = {Reason.WRONG_PARTITION, Reason.SAME_ID_OTHER_BYTES, Reason.WAITS_FOR_PARKED, *signatures}
    assert {reason for reason, _ in SPOILT.values()} | elsewhere == set(Reason)


def test_the_same_id_with_other_bytes_is_parked_and_with_the_same_bytes_has_no_effect(hub: ShardUnderTest) -> None:
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one")
    record = hub.last_input("A.SOC")
    hub.append("A.SOC", record)
    hub.append("A.SOC", _with_header(record, "ce_time", b"2025-01-06T09:09:09Z"))
    hub.append("A.SOC", _case_opened(record, caseNo="2"))
    hub.settle()
    assert [parked.reason for parked in hub.parked()] == [Reason.SAME_ID_OTHER_BYTES]
    assert len(hub.view("A.SOC")) == 1


def test_the_same_id_stated_of_another_citizen_is_parked(hub: ShardUnderTest) -> None:
    other = "5f0c7d1e-0000-4000-8000-000000000002"
    hub.enrol(other)
    hub.settle()
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one")
    hub.append("A.SOC", hub.last_input("A.SOC")._replace(key=hub.key("A.SOC", other).encode()))
    hub.settle()
    assert [parked.reason for parked in hub.parked()] == [Reason.SAME_ID_OTHER_BYTES]


def test_a_key_that_may_be_a_national_id_is_asked_of_no_database(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database may write what it is asked into its log."""
    asked: list[tuple[str, str]] = []
    cases_of = hub.store.cases_of

    def remembering(keys: Iterable[tuple[str, str]]) -> object:
        asked.extend(found := list(keys))
        return cases_of(found)

    monkeypatch.setattr(hub.store, "cases_of", remembering)
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one")
    record = hub.last_input("A.SOC")
    for key in (b"0101901234", b"010190-1234", b"199001011234"):
        hub.append("A.SOC", record._replace(key=key))
    hub.settle()
    assert [parked.reason for parked in hub.parked()] == [Reason.UNKNOWN_KEY] * 3
    assert set(asked) == {("A.SOC", hub.key("A.SOC"))}


def test_a_parked_record_shows_no_value_in_reason_field_or_fix(hub: ShardUnderTest) -> None:
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one")
    hub.append("A.SOC", _case_opened(hub.last_input("A.SOC"), caseNo="Kirsten Hansen 0101901234" * 200))
    hub.settle()
    (parked,) = hub.parked()
    assert "Kirsten" not in f"{parked.reason}{parked.field}{parked.fix}"
    assert parked.field == "caseNo"


def test_a_retry_admits_at_the_clock_of_the_retry_with_its_own_occurred_time(hub: ShardUnderTest) -> None:
    hub.state(
        "A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one", case_id="5f0c7d1e-0000-4000-8000-00000000000b"
    )
    hub.settle()
    assert [parked.reason for parked in hub.parked()] == [Reason.UNKNOWN_KEY]
    occurred = hub.now
    hub.tick(DAY_MS)
    hub.enrol("5f0c7d1e-0000-4000-8000-00000000000b")
    hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 1})
    hub.settle()
    ((_, resolved),) = hub.store.parked("A.SOC")
    assert resolved is not None
    assert resolved.outcome == "admitted"
    (fact,) = [r for r in hub.store.case_records("5f0c7d1e-0000-4000-8000-00000000000b") if isinstance(r, FactRecorded)]
    assert (fact.occurred_at, fact.recorded_at) == (occurred, hub.now)


def test_a_retry_that_is_refused_again_is_parked_again_with_its_new_reason(hub: ShardUnderTest) -> None:
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one")
    record = hub.last_input("A.SOC")
    hub.append("A.SOC", record._replace(value=None))
    hub.settle()
    hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 1})
    hub.settle()
    outcomes = [(parked.reason, resolved and resolved.outcome) for parked, resolved in hub.store.parked("A.SOC")]
    assert outcomes == [(Reason.EMPTY_VALUE, "parked_again"), (Reason.EMPTY_VALUE, None)]


def test_a_retry_of_nothing_is_parked_itself(hub: ShardUnderTest) -> None:
    hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 9})
    hub.control.publish(0, "ParkedRetried", {"party": "HUB", "parkedNumber": 1})
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "one")
    hub.settle()
    assert {parked.originator_id for parked in hub.parked()} == {"parked:HUB"}
    assert len(hub.view("A.SOC")) == 1


def test_an_amendment_is_admitted_from_whoever_the_consent_names(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.state("PRI", "ConsentGiven", consent(hub.now, ["HO"], ["A.SOC"]), "given")
    hub.tick(1000)
    hub.state("A.SOC", "ConsentAmended", consent(hub.now, ["HO", "EM"], ["A.SOC"]), "amended")
    hub.state("B.SOC", "ConsentAmended", consent(hub.now, ["HO", "EM"], ["B.SOC"]), "stranger")
    hub.settle()
    assert [(parked.originator_id, parked.reason) for parked in hub.parked()] == [
        ("parked:B.SOC", Reason.UNKNOWN_CONSENT)
    ]


def test_a_fact_of_an_erased_case_is_parked_and_stops_nobody_else(hub: ShardUnderTest) -> None:
    hub.enrol(OTHER_CASE)
    hub.settle()
    hub.keys.destroy([case_stream(CASE)])
    hub.restart()
    hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": hub.now}, "of the erased")
    other = hub.state("A.JOB", "CaseOpened", {"caseNo": "2", "at": hub.now}, "of another", case_id=OTHER_CASE)
    hub.settle()
    assert [(record.reason, record.originator_id) for record in hub.parked()] == [(Reason.UNKNOWN_KEY, "parked:A.JOB")]
    assert other in hub.view("A.JOB")


# --- records that name themselves, or each other


def named_itself(hub: ShardUnderTest, kind: str) -> str:
    """State an event that corrects or takes back itself."""
    name, reference = ("CaseOpened", "one") if kind == "corrects" else ("EventRetracted", "mistaken")
    own = hub.publisher("A.SOC").event_id(name, reference)
    if kind == "corrects":
        return hub.state("A.SOC", name, {"caseNo": "1", "at": hub.now}, reference, corrects=own)
    return hub.state("A.SOC", name, {"targetEventId": own, "at": hub.now, "reason": "DUPLICATE"}, reference)


@pytest.mark.parametrize("kind", ["corrects", "takes back"])
@pytest.mark.parametrize("how", ["retried", "sent again"])
def test_a_record_that_names_itself_is_parked_however_often_it_comes(hub: ShardUnderTest, kind: str, how: str) -> None:
    own = named_itself(hub, kind)
    hub.settle()
    if how == "retried":
        hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": 1})
    else:
        hub.append("A.SOC", hub.last_input("A.SOC"))
    hub.settle()
    parked = [resolved.outcome if resolved else "open" for _, resolved in hub.store.parked("A.SOC")]
    assert parked == (["parked_again", "open"] if how == "retried" else ["open", "open"])
    assert {one.reason for one in hub.parked()} == {Reason.CORRECTS_NOTHING}
    assert own not in hub.shard.cases.get(CASE).timeline.facts


@pytest.mark.parametrize("number", [2, 3])
def test_of_records_that_correct_each_other_in_a_ring_one_stands(hub: ShardUnderTest, number: int) -> None:
    ids = [hub.publisher("A.SOC").event_id("CaseOpened", str(one)) for one in range(number)]
    for one in range(number):
        values = {"caseNo": str(one), "at": hub.now}
        hub.state("A.SOC", "CaseOpened", values, str(one), corrects=ids[(one + 1) % number])
        hub.settle()
    for one in range(1, 4 * number):
        if one <= hub.shard.state.parked["A.SOC"]:
            hub.control.publish(0, "ParkedRetried", {"party": "A.SOC", "parkedNumber": one})
            hub.settle()
    timeline = hub.shard.cases.get(CASE).timeline
    assert len([event_id for event_id in timeline.facts if timeline.is_live(event_id, "CaseOpened")]) == 1
    assert len([one for one, resolved in hub.store.parked("A.SOC") if resolved is None]) == 1
    assert len(hub.view("A.SOC")) == 1

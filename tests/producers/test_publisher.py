"""The publisher: what it sends, what it refuses before sending, and that stating twice is one fact."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from contracts.civil_time import moment_of
from contracts.cloudevents import parse_attributes
from contracts.codec import codec
from contracts.failures import BadSetting, InvalidFact, TransportFailure
from contracts.limits import VALUE_BYTES_MAX
from contracts.topics import Names
from producers.agencies import prison, social_services
from producers.publisher import Publisher
from producers.statement import Statement
from tests.producers.recording_transport import RecordingTransport

SECRET = bytes(range(32))
KEY = "6f1d7b1e-2d5c-8a3b-9c4d-0123456789ab"
NOON = datetime(2025, 1, 8, 12, 0, tzinfo=UTC)
NOON_MS = 1_736_337_600_000
NATIONAL_ID = "0101901234"


@pytest.fixture
def transport() -> RecordingTransport:
    return RecordingTransport()


@pytest.fixture
def publisher(transport: RecordingTransport) -> Publisher:
    return Publisher("A.SOC", transport, SECRET, system="journal", clock=lambda: 1_700_000_000_123)


def opened(case_no: str = "17") -> Statement:
    return social_services.case_opened(occurred_at=NOON, case_no=case_no, at=NOON, reason="CUSTODY")


def test_record_carries_the_fact_its_id_and_the_time_of_publishing(
    publisher: Publisher, transport: RecordingTransport
) -> None:
    position = publisher.publish(opened(), key=KEY, source_ref="case/17")

    (record,) = transport.records
    attributes = parse_attributes(record.headers)
    decoded = codec().decode(record.value)
    assert (record.topic, position.topic) == ("in.a-soc.v1", "in.a-soc.v1")
    assert record.key == KEY.encode()
    assert record.timestamp_ms is None
    assert attributes.id == publisher.event_id("CaseOpened", "case/17")
    assert (attributes.party, attributes.system) == ("A.SOC", "journal")
    assert attributes.type == "org.casehub.municipality.CaseOpened.v1"
    assert attributes.time == 1_700_000_000_123
    assert attributes.corrects is None
    assert (decoded.event_type.name, decoded.form) == ("CaseOpened", "published")
    present = {name: value for name, value in decoded.payload.items() if value is not None}
    assert present == {"occurredAt": NOON_MS, "caseNo": "17", "at": NOON_MS, "reason": "CUSTODY"}


def test_stating_again_gives_the_same_id_and_the_same_bytes(
    publisher: Publisher, transport: RecordingTransport
) -> None:
    publisher.publish(opened(), key=KEY, source_ref="case/17")
    publisher.publish(opened(), key=KEY, source_ref="case/17")
    first, second = transport.records
    assert (first.value, first.headers) == (second.value, second.headers)


def test_id_never_depends_on_content(publisher: Publisher, transport: RecordingTransport) -> None:
    publisher.publish(opened("17"), key=KEY, source_ref="case/17")
    publisher.publish(opened("18"), key=KEY, source_ref="case/17")
    first, second = transport.records
    assert parse_attributes(first.headers).id == parse_attributes(second.headers).id
    assert first.value != second.value


def test_source_reference_stays_at_home(publisher: Publisher, transport: RecordingTransport) -> None:
    publisher.publish(opened(), key=KEY, source_ref=f"journal/{NATIONAL_ID}")
    (record,) = transport.records
    everything = record.key + record.value + b"".join(name.encode() + value for name, value in record.headers)
    assert NATIONAL_ID.encode() not in everything


def test_correction_is_the_next_revision_and_names_the_one_before(
    publisher: Publisher, transport: RecordingTransport
) -> None:
    for revision in range(3):
        publisher.publish(opened(str(revision)), key=KEY, source_ref="case/17", revision=revision)
    ids = [parse_attributes(record.headers).id for record in transport.records]
    assert len(set(ids)) == 3
    assert [parse_attributes(record.headers).corrects for record in transport.records] == [None, ids[0], ids[1]]


def test_a_stated_target_of_a_correction_is_kept(publisher: Publisher, transport: RecordingTransport) -> None:
    target = str(uuid.UUID(int=7))
    publisher.publish(opened(), key=KEY, source_ref="case/17", corrects=target)
    assert parse_attributes(transport.records[0].headers).corrects == target


def test_retraction_names_its_target_and_two_under_one_reference_are_two(
    publisher: Publisher, transport: RecordingTransport
) -> None:
    for event_type in ("CaseOpened", "CaseClosed", "CaseOpened"):
        publisher.retract(event_type, "case/17", key=KEY, reason="NOT_OCCURRED", at=NOON)
    decoded = [codec().decode(record.value) for record in transport.records]
    ids = [parse_attributes(record.headers).id for record in transport.records]
    assert {each.event_type.name for each in decoded} == {"EventRetracted"}
    assert decoded[0].payload["targetEventId"] == publisher.event_id("CaseOpened", "case/17")
    assert decoded[1].payload["targetEventId"] == publisher.event_id("CaseClosed", "case/17")
    assert ids[0] == ids[2] != ids[1]


def test_played_world_gives_its_own_times(publisher: Publisher, transport: RecordingTransport) -> None:
    publisher.publish_values(
        "CaseOpened",
        {"caseNo": "17", "at": NOON},
        occurred_at=NOON_MS,
        key=KEY,
        source_ref="e1",
        published_at=NOON,
        timestamp_ms=NOON_MS + 5,
    )
    (record,) = transport.records
    assert parse_attributes(record.headers).time == NOON_MS
    assert record.timestamp_ms == NOON_MS + 5
    assert codec().decode(record.value).payload["occurredAt"] == NOON_MS


def test_records_of_a_world_go_to_that_worlds_topic(transport: RecordingTransport) -> None:
    publisher = Publisher("PRI", transport, SECRET, names=Names("sc1"))
    statement = prison.remand_extended(
        occurred_at=NOON, custody_id=uuid.UUID(int=1), next_hearing=date(2025, 2, 1), restrictions=True
    )
    assert publisher.publish(statement, key=KEY, source_ref="x").topic == "sc1.in.pri.v1"


def test_many_prepared_records_are_stored_in_order(publisher: Publisher, transport: RecordingTransport) -> None:
    records = [publisher.prepare(opened(str(n)), key=KEY, source_ref=f"case/{n}") for n in range(20)]
    assert not transport.records
    positions = publisher.publish_many(records)
    assert [position.offset for position in positions] == list(range(20))
    assert transport.records == records


def test_failure_of_the_transport_reaches_the_caller_and_stating_again_mends_it(
    publisher: Publisher, transport: RecordingTransport
) -> None:
    transport.failing = True
    with pytest.raises(TransportFailure) as caught:
        publisher.publish(opened(), key=KEY, source_ref="case/17")
    assert caught.value.retriable
    transport.failing = False
    publisher.publish(opened(), key=KEY, source_ref="case/17")
    assert len(transport.records) == 1


VALID: dict[str, Any] = {"caseNo": "17", "at": NOON}


@pytest.mark.parametrize(
    ("event_type", "values", "circumstances", "field", "rule"),
    [
        ("CaseOpened", {"at": NOON}, {}, "caseNo", "is mandatory"),
        ("CaseOpened", VALID | {"colour": "red"}, {}, "colour", "is not in the contract"),
        ("CaseOpened", VALID | {"at": datetime(2025, 1, 1)}, {}, "at", "zone"),
        ("CaseOpened", VALID | {"at": "2025-01-01"}, {}, "at", "instant"),
        ("CaseOpened", VALID | {"reason": "BOREDOM"}, {}, "reason", "code list"),
        ("CaseOpened", VALID | {"caseNo": 17}, {}, "caseNo", "text"),
        ("CaseOpened", VALID, {"occurred_at": datetime(2025, 1, 1)}, "occurredAt", "zone"),
        ("CaseOpened", VALID, {"published_at": datetime(2025, 1, 1)}, "published_at", "time zone"),
        ("CaseOpened", VALID, {"key": NATIONAL_ID}, "key", "lower-case uuid"),
        ("CaseOpened", VALID, {"key": KEY.upper()}, "key", "lower-case uuid"),
        ("CaseOpened", VALID, {"key": ""}, "key", "lower-case uuid"),
        ("CaseOpened", VALID, {"occurred_at": 10**17}, "occurredAt", "1900 to 2199"),
        ("CaseOpened", VALID, {"occurred_at": -(10**17)}, "occurredAt", "1900 to 2199"),
        ("CaseOpened", VALID, {"occurred_at": True}, "occurredAt", "instant"),
        ("CaseOpened", VALID, {"occurred_at": "2025-01-01"}, "occurredAt", "instant"),
        ("CaseOpened", VALID, {"occurred_at": datetime(2300, 1, 1, tzinfo=UTC)}, "occurredAt", "years 1900 to 2199"),
        ("CaseOpened", VALID, {"published_at": datetime(2200, 1, 1, tzinfo=UTC)}, "published_at", "1900 to 2199"),
        ("CaseOpened", VALID, {"published_at": datetime(1899, 12, 31, tzinfo=UTC)}, "published_at", "1900 to 2199"),
        ("CaseOpened", VALID, {"published_at": 10**15}, "published_at", "1900 to 2199"),
        ("CaseOpened", VALID, {"published_at": 10**17}, "published_at", "1900 to 2199"),
        ("CaseOpened", VALID, {"published_at": False}, "published_at", "instant"),
        ("CaseOpened", VALID, {"published_at": 1.5}, "published_at", "instant"),
        ("CaseOpened", VALID | {"caseNo": "\ud800"}, {}, "caseNo", "valid string"),
        ("CaseOpened", VALID, {"source_ref": ""}, "source_ref", "is empty"),
        ("CaseOpened", VALID, {"source_ref": 17}, "source_ref", "no text"),
        ("CaseOpened", VALID, {"source_ref": "\ud800"}, "source_ref", "surrogate"),
        ("CaseOpened", VALID, {"revision": -1}, "revision", "whole number"),
        ("CaseOpened", VALID, {"revision": True}, "revision", "whole number"),
        ("CaseOpened", VALID, {"revision": 1.0}, "revision", "whole number"),
        ("CaseOpened", VALID, {"revision": "1"}, "revision", "whole number"),
        ("CaseOpened", VALID, {"corrects": uuid.UUID(KEY)}, "corrects", "lower-case uuid"),
        ("CaseOpened", VALID, {"corrects": "the first one"}, "corrects", "lower-case uuid"),
        ("CaseOpened", VALID, {"causation": "x\r\nce_id: y"}, "causation", "lower-case uuid"),
        ("CaseDevoured", VALID, {}, "event_type", "in no contract"),
        ("ImprisonmentStarted", VALID, {}, "event_type", "may not be stated by `SOC`"),
        ("ShardTicked", {}, {}, "event_type", "may not be stated by `SOC`"),
    ],
)
def test_nothing_is_sent_and_the_failure_names_field_rule_and_fix(
    publisher: Publisher,
    transport: RecordingTransport,
    event_type: str,
    values: dict[str, Any],
    circumstances: dict[str, Any],
    field: str,
    rule: str,
) -> None:
    arguments: dict[str, Any] = {"occurred_at": NOON, "key": KEY, "source_ref": "case/17"} | circumstances
    with pytest.raises(InvalidFact) as caught:
        publisher.publish_values(event_type, values, **arguments)
    assert caught.value.field == field
    assert rule in caught.value.rule
    assert caught.value.fix
    assert NATIONAL_ID not in str(caught.value)
    assert not transport.records


@pytest.mark.parametrize("moment", [datetime(1900, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, 23, 59, 59, tzinfo=UTC)])
def test_what_is_published_at_either_end_of_the_years_can_be_read(
    publisher: Publisher, transport: RecordingTransport, moment: datetime
) -> None:
    publisher.publish(opened(), key=KEY, source_ref="case/17", published_at=moment)
    assert moment_of(parse_attributes(transport.records[0].headers).time) == moment


@pytest.mark.parametrize("time", [10**15, 10**17, -(10**15)])
def test_a_clock_that_cannot_be_right_sends_nothing(transport: RecordingTransport, time: int) -> None:
    publisher = Publisher("A.SOC", transport, SECRET, clock=lambda: time)
    attempts: list[Callable[[], object]] = [
        publisher.alive,
        lambda: publisher.publish(opened(), key=KEY, source_ref="case/17"),
    ]
    for attempt in attempts:
        with pytest.raises(InvalidFact) as caught:
            attempt()
        assert caught.value.field == "published_at"
    assert not transport.records


@pytest.mark.parametrize(("source_ref", "revision"), [("\ud800", 0), ("", 0), ("case/17", -1), ("case/17", True)])
def test_no_id_is_given_for_what_is_not_stated(publisher: Publisher, source_ref: str, revision: int) -> None:
    with pytest.raises(InvalidFact):
        publisher.event_id("CaseOpened", source_ref, revision)
    with pytest.raises(InvalidFact):
        publisher.retract("CaseOpened", source_ref, key=KEY, reason="NOT_OCCURRED", at=NOON, revision=revision)


def test_a_fact_larger_than_the_hub_takes_is_refused_before_sending(transport: RecordingTransport) -> None:
    publisher = Publisher("A.SOC", transport, SECRET)
    item = {"itemId": uuid.UUID(int=1), "domain": "HOUSING", "goal": "æ" * 2000, "activityType": "x"}
    items = [item | {"responsible": "A.SOC", "status": "PLANNED"}] * 120
    values = {"planId": uuid.UUID(int=1), "version": 1, "agreedAt": NOON, "basis": "SEL_141", "citizenAgrees": True}
    with pytest.raises(InvalidFact, match=f"at most `{VALUE_BYTES_MAX}`"):
        publisher.publish_values(
            "MunicipalPlanAgreed", values | {"items": items}, occurred_at=NOON, key=KEY, source_ref="plan"
        )
    assert not transport.records


@pytest.mark.parametrize(
    ("party", "secret", "system"),
    [("A.SOC", b"short", "journal"), ("A SOC", SECRET, "journal"), ("A.SOC", SECRET, "a:b"), ("A.SOC", SECRET, "")],
)
def test_an_impossible_publisher_is_refused_when_it_is_made(
    transport: RecordingTransport, party: str, secret: bytes, system: str
) -> None:
    with pytest.raises(BadSetting):
        Publisher(party, transport, secret, system=system)


def test_a_statement_does_not_show_its_values() -> None:
    assert "secret journal number" not in repr(opened("secret journal number"))


def test_an_item_of_a_list_may_leave_its_optional_fields_out(
    publisher: Publisher, transport: RecordingTransport
) -> None:
    item = {"itemId": uuid.UUID(int=1), "domain": "HOUSING", "goal": "x", "activityType": "x"}
    values = {"planId": uuid.UUID(int=1), "version": 1, "agreedAt": NOON, "basis": "SEL_141", "citizenAgrees": True}
    values["items"] = [item | {"responsible": "A.SOC", "status": "PLANNED"}]
    publisher.publish_values("MunicipalPlanAgreed", values, occurred_at=NOON, key=KEY, source_ref="plan")
    (sent,) = codec().decode(transport.records[0].value).payload["items"]
    assert sent["goal"] == "x"
    assert sent["plannedStart"] is None

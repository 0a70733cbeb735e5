"""One value, one encoding: everything else on the wire is refused, whatever the library makes of it."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.avro_schemas import Form, is_disclosable
from contracts.catalogue import catalogue
from contracts.codec import FRAME_BYTES, RecordCodec, codec
from contracts.failures import InvalidFact, Refused
from contracts.limits import VALUE_BYTES_MAX
from contracts.models import fault_in
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from tests.contracts.values import disclosed_payloads, event_types, payloads, text, varint

PLAN = "SentencePlanAgreed"
OUTREACH = "OutreachContactMade"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def _frame(name: str, body: bytes) -> bytes:
    return b"\x00" + schema_ids().published(name).to_bytes(4, "big") + body


def _refusal(framed: bytes) -> Refused:
    with pytest.raises(Refused) as refused:
        codec().decode(framed)
    return refused.value


def _outreach(**changes: bytes) -> bytes:
    """The body of an OutreachContactMade, part by part, so that one part can be wrong."""
    parts = {
        "occurredAt": varint(1_700_000_000_000),
        "lateReason": varint(0),
        "legalBasisCode": varint(0),
        "contactId": text(UUID),
        "at": varint(1_700_000_000_000),
        "setting": varint(6),
        "nextStep": varint(1) + varint(3),
    }
    return b"".join((parts | changes).values())


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_encoded_comes_back(data: st.DataObject) -> None:
    event_type = data.draw(event_types())
    payload = data.draw(payloads(event_type))
    schema_id = schema_ids().published(event_type.name)
    decoded = codec().decode(codec().encode(schema_id, payload))
    assert decoded.payload == payload
    assert (decoded.event_type, decoded.form, decoded.schema_id) == (event_type, Form.PUBLISHED, schema_id)
    assert codec().decode_body(schema_id, decoded.body) == payload
    assert codec().frame(schema_id, decoded.body) == codec().encode(schema_id, payload)
    assert fault_in(event_type, decoded.payload) is None


@given(st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_disclosed_comes_back(data: st.DataObject) -> None:
    event_type = data.draw(event_types().filter(is_disclosable))
    payload = data.draw(disclosed_payloads(event_type))
    decoded = codec().decode(codec().encode(schema_ids().disclosed(event_type.name), payload))
    assert decoded.payload == payload
    assert decoded.form is Form.DISCLOSED


@given(st.binary(max_size=300), event_types())
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_refused_or_are_one_exact_value(body: bytes, event_type: Any) -> None:
    framed = _frame(event_type.name, body)
    try:
        decoded = codec().decode(framed)
    except Refused as refused:
        assert refused.reason == Reason.BAD_AVRO
    else:
        assert codec().encode(decoded.schema_id, decoded.payload) == framed


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_flipped_byte_never_gets_through_as_the_same_value(data: st.DataObject) -> None:
    payload = data.draw(payloads(catalogue().event_types[PLAN]))
    framed = bytearray(codec().encode(schema_ids().published(PLAN), payload))
    place = data.draw(st.integers(FRAME_BYTES, len(framed) - 1))
    framed[place] ^= data.draw(st.integers(1, 255))
    try:
        assert codec().decode(bytes(framed)).payload != payload
    except Refused as refused:
        assert refused.reason == Reason.BAD_AVRO


def test_the_sample_body_is_good() -> None:
    payload = codec().decode(_frame(OUTREACH, _outreach())).payload
    assert (payload["setting"], payload["nextStep"]) == ("CONSUMPTION_ROOM", "TRIAL_OFFERED")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        _outreach()[:-1],
        _outreach() + b"\x00",
        _outreach(setting=varint(-1)),
        _outreach(setting=varint(99)),
        _outreach(setting=b"\x8c\x00"),
        _outreach(lateReason=varint(-1)),
        _outreach(lateReason=varint(2)),
        _outreach(nextStep=varint(-2) + varint(3)),
        _outreach(contactId=varint(-1)),
        _outreach(contactId=varint(2**62)),
        _outreach(contactId=varint(36) + b"\xff" * 36),
        _outreach(at=b"\xff" * 10),
        _outreach(at=b"\xff" * 9 + b"\x7f"),
        _outreach(at=b"\x80" * 100),
    ],
)
def test_hostile_avro_is_refused(body: bytes) -> None:
    assert _refusal(_frame(OUTREACH, body)).reason == Reason.BAD_AVRO


def test_a_boolean_is_zero_or_one() -> None:
    body = varint(1) + varint(0) + varint(0) + varint(1)
    assert codec().decode(_frame("EducationDutyDecided", body + b"\x01" + varint(0) * 2)).payload["fulfilled"] is True
    assert _refusal(_frame("EducationDutyDecided", body + b"\x07" + varint(0) * 2)).reason == Reason.BAD_AVRO


def test_an_array_in_several_blocks_is_refused() -> None:
    assessed = varint(1) + varint(0) * 2 + varint(1) + varint(0)
    one_block = assessed + varint(1) + varint(2) + varint(0) + varint(1) + varint(0)
    two_blocks = assessed + varint(1) + varint(1) + varint(0) + varint(1) + varint(1) + varint(0)
    sized_block = assessed + varint(1) + varint(-2) + varint(2) + varint(0) + varint(1) + varint(0)
    decoded = codec().decode(_frame("NeuroAssessmentCompleted", one_block))
    assert decoded.payload["supportNeeds"] == ["HOUSING", "FINANCE"]
    assert _refusal(_frame("NeuroAssessmentCompleted", two_blocks)).reason == Reason.BAD_AVRO
    assert _refusal(_frame("NeuroAssessmentCompleted", sized_block)).reason == Reason.BAD_AVRO


def test_a_huge_claimed_array_allocates_nothing() -> None:
    body = varint(1) + varint(0) * 2 + varint(1) + varint(0) + varint(1) + varint(2**60) + b"\x00" * 50
    tracemalloc.start()
    try:
        assert _refusal(_frame("NeuroAssessmentCompleted", body)).reason == Reason.BAD_AVRO
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_number_that_is_too_wide_for_its_type_does_not_get_through() -> None:
    body = varint(1) + varint(0) * 2 + text("p-1") + varint(0) + varint(2**40)
    framed = _frame("InfantStayApproved", body)
    try:
        decoded = codec().decode(framed)
    except Refused as refused:
        assert refused.reason == Reason.BAD_AVRO
    else:
        assert fault_in(decoded.event_type, decoded.payload) is not None


@pytest.mark.parametrize("framed", [b"", b"\x00", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x01abc", b"{}      "])
def test_a_bad_frame_is_refused(framed: bytes) -> None:
    assert _refusal(framed).reason == Reason.BAD_FRAME


def test_an_unknown_schema_is_refused() -> None:
    assert _refusal(b"\x00\x7f\xff\xff\xff" + _outreach()).reason == Reason.UNKNOWN_SCHEMA


def test_size_is_judged_before_anything_is_decoded() -> None:
    assert _refusal(b"\x00" * (VALUE_BYTES_MAX + 1)).reason == Reason.TOO_LARGE


def test_a_refusal_never_repeats_a_value() -> None:
    refusal = _refusal(_frame(OUTREACH, _outreach(contactId=text("secret-person")) + b"secret"))
    assert "secret" not in str(refusal)


def test_a_missing_key_is_null_and_an_unknown_one_is_refused() -> None:
    payload = codec().decode(_frame(OUTREACH, _outreach())).payload
    shorter = {name: value for name, value in payload.items() if value is not None}
    schema_id = schema_ids().published(OUTREACH)
    assert codec().encode(schema_id, shorter) == codec().encode(schema_id, payload)
    with pytest.raises(InvalidFact, match="diagnosis"):
        codec().encode(schema_id, payload | {"diagnosis": "x"})
    with pytest.raises(InvalidFact, match="schema"):
        codec().encode(schema_id, payload | {"at": "yesterday"})
    with pytest.raises(InvalidFact, match="schema"):
        codec().encode(schema_id, payload | {"setting": "MOON"})


def test_an_items_unknown_key_is_refused_not_dropped() -> None:
    need = {"domain": "HOUSING", "level": "SOME", "note": None}
    interview = {"occurredAt": 1, "custodyId": UUID, "heldAt": 1, "fileAccessConsentAsked": True, "needs": [need]}
    schema_id = schema_ids().published("IntakeInterviewHeld")
    assert codec().decode(codec().encode(schema_id, interview)).payload["needs"] == [need]
    with pytest.raises(InvalidFact):
        codec().encode(schema_id, interview | {"needs": [need | {"diagnosis": "x"}]})


def test_rows_of_our_own_have_a_codec_too() -> None:
    rows = RecordCodec(
        {
            "type": "record",
            "name": "Row",
            "fields": [{"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}],
        }
    )
    assert rows.decode(rows.encode({"at": 5})) == {"at": 5}
    with pytest.raises(InvalidFact):
        rows.encode({"at": None})

"""A fact that one case forwards to another: the key of its agency that signed it, and whom the case had told of it."""

from __future__ import annotations

import pytest

from contracts.cloudevents import SIG, SIG_KEY
from contracts.codec import codec
from contracts.failures import Refused
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey
from hub.arrival.forwarded import Forwarded, HandedOver, forwarded_record, read_forwarded
from hub.broker.control_records import signed_control
from hub.broker.hub_messages import HUB_TOLD, hub_message
from hub.broker.ports import Headers, InputRecord
from hub.store.records import FactRecorded, Shown, case_stream

FROM, TO = "5f0c7d1e-0000-4000-8000-00000000000a", "5f0c7d1e-0000-4000-8000-00000000000b"
EVENT = "A.SOC/5f0c7d1e-0000-4000-8000-0000000000ee"
AGENCY, HUB = SigningKey(b"\x01" * 32), SigningKey(b"\x0a" * 32)


def fact(signing_key: str = "") -> FactRecorded:
    schema_id = schema_ids().published("CaseOpened")
    body = codec().decode(codec().encode(schema_id, {"occurredAt": 1, "caseNo": "1", "at": 1})).body
    source = "urn:party:A.SOC:test"
    return FactRecorded(
        case_stream(FROM), 2, EVENT, "CaseOpened", "A.SOC", source, schema_id, 1, 2, 3, None, None, None, body, None,
        signing_key,
    )  # fmt: skip


def read_back(value: bytes, headers: Headers) -> Forwarded:
    return read_forwarded(InputRecord("in.hub.v1", 0, 0, 9, None, value, tuple(headers)), codec())


@pytest.mark.parametrize("signing_key", [AGENCY.id, ""])
def test_the_hubs_signature_is_not_taken_for_the_agencys(signing_key: str) -> None:
    """Where it is parked and retried, whether its key was revoked since is asked of the key that it names."""
    value, headers = forwarded_record(fact(signing_key), TO, FROM, codec(), was_judged=True)
    found = read_back(value, signed_control(HUB, "in.hub.v1", value, headers))
    assert (found.case_id, found.from_case, found.recorded_at, found.was_judged) == (TO, FROM, 3, True)
    assert (found.statement.event_id, found.statement.signing_key) == (EVENT, signing_key)
    named = [value.decode() for name, value in found.as_stated.headers if name in (SIG, SIG_KEY)]
    assert named == ([signing_key] if signing_key else [])


@pytest.mark.parametrize("told", [(), (("PRI", ()),), (("A.JOB", (("C:" + TO, 5), ("S4", 131_072))), ("PRI", ()))])
def test_whom_the_case_had_told_goes_along(told: tuple[tuple[str, Shown], ...]) -> None:
    value, headers = forwarded_record(
        fact(), TO, FROM, codec(), was_judged=True, handed_over=HandedOver(7 if told else 0, told)
    )
    found = read_back(value, headers)
    assert found.handed_over == HandedOver(7 if told else 0, told)
    assert not any(name.startswith("hub_") for name, _ in found.as_stated.headers)


@pytest.mark.parametrize(
    "text", ["", "7", "7;", "0;PRI", "7;PRI;", "7;P RI", "7;PRI C:x", "7;PRI C:x=0", "7;PRI C:x=a"]
)
def test_what_is_said_of_whom_it_told_is_well_formed(text: str) -> None:
    value, headers = forwarded_record(fact(), TO, FROM, codec(), was_judged=True)
    with pytest.raises(Refused) as refused:
        read_back(value, [*headers, (HUB_TOLD, text.encode())])
    assert (refused.value.reason, refused.value.field) == (Reason.BAD_HEADER, HUB_TOLD)


def test_it_is_signed_and_neither_added_nor_left_out_afterwards() -> None:
    told = HandedOver(7, (("PRI", ()),))
    value, with_it = forwarded_record(fact(), TO, FROM, codec(), was_judged=True, handed_over=told)
    _, without_it = forwarded_record(fact(), TO, FROM, codec(), was_judged=True)
    other = [*without_it, (HUB_TOLD, b"7;PRI;A.JOB")]
    said = [hub_message("in.hub.v1", None, headers, value) for headers in (with_it, without_it, other)]
    assert len(set(said)) == 3

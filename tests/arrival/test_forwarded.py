"""A fact that one case forwards to another names the key of its agency that signed it, and nothing of the hub's."""

from __future__ import annotations

import pytest

from contracts.cloudevents import SIG, SIG_KEY
from contracts.codec import codec
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey
from hub.arrival.forwarded import forwarded_record, read_forwarded
from hub.broker.control_records import signed_control
from hub.broker.ports import InputRecord
from hub.store.records import FactRecorded, case_stream

FROM, TO = "5f0c7d1e-0000-4000-8000-00000000000a", "5f0c7d1e-0000-4000-8000-00000000000b"
EVENT = "A.SOC/5f0c7d1e-0000-4000-8000-0000000000ee"
AGENCY, HUB = SigningKey(b"\x01" * 32), SigningKey(b"\x0a" * 32)


@pytest.mark.parametrize("signing_key", [AGENCY.id, ""])
def test_the_hubs_signature_is_not_taken_for_the_agencys(signing_key: str) -> None:
    """Where it is parked and retried, whether its key was revoked since is asked of the key that it names."""
    schema_id = schema_ids().published("CaseOpened")
    body = codec().decode(codec().encode(schema_id, {"occurredAt": 1, "caseNo": "1", "at": 1})).body
    source = "urn:party:A.SOC:test"
    fact = FactRecorded(
        case_stream(FROM), 2, EVENT, "CaseOpened", "A.SOC", source, schema_id, 1, 2, 3, None, None, None, body, None,
        signing_key,
    )  # fmt: skip
    value, headers = forwarded_record(fact, TO, FROM, codec(), was_judged=True)
    signed = tuple(signed_control(HUB, "in.hub.v1", value, headers))
    found = read_forwarded(InputRecord("in.hub.v1", 0, 0, 9, None, value, signed), codec())
    assert (found.case_id, found.from_case, found.recorded_at, found.was_judged) == (TO, FROM, 3, True)
    assert (found.statement.event_id, found.statement.signing_key) == (EVENT, signing_key)
    named = [value.decode() for name, value in found.as_stated.headers if name in (SIG, SIG_KEY)]
    assert named == ([signing_key] if signing_key else [])

"""What a control record looks like on the wire: one for Kafka and for the simulated broker.

Rules:
- Only event types marked `control` in the contracts; the payload is checked before anything is sent.
- `occurredAt` and `ce_time` are the time of publishing. A control record has no key, since it is no party's.
- What the hub tells itself is signed by whoever tells it. Of a fact on its way to another shard, the hub's own headers
  are signed too (`FORWARDING_HEADERS`), so that none can be made of an agency's record.
- No failure shows the record.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.cloudevents import STATED_HEADERS, Attributes, Headers, published_headers
from contracts.codec import codec
from contracts.failures import CallerFailure
from contracts.models import fault_in
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey, signature_headers, signed_message, stated_message
from contracts.topics import HUB_PARTY

FORWARDING_HEADERS: Final = ("hub_case", "hub_from", "hub_recorded_at", "hub_judged", "hub_signing_key")
"""The headers of a forwarded fact, in the order in which they are signed; the first tells that it is one."""
_FORWARDED: Final = b"org.casehub.forwarded.v1"


def hub_message(topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bytes:
    """Return what is signed of a record of the hub's own input."""
    if any(name == FORWARDING_HEADERS[0] for name, _ in headers):
        return signed_message(_FORWARDED, (*STATED_HEADERS, *FORWARDING_HEADERS), topic, key, headers, value)
    return stated_message(topic, key, headers, value)


def signed_control(signing_key: SigningKey | None, topic: str, value: bytes, headers: Headers) -> Headers:
    """Return `headers` with the signature of a record without a key; without a signing key, as they are."""
    if signing_key is None:
        return headers
    message = hub_message(topic, None, headers, value)
    return [*headers, *signature_headers(signing_key.id, signing_key.sign(message))]


def control_record(
    principal: str, event_type_name: str, payload: Mapping[str, Any], now: int
) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return value and headers of a control record of `principal` (`identity`, `operator`), published at `now` (ms).

    Raises `CallerFailure` for what is no control record, or is outside its contract.
    """
    event_type = catalogue().event_types.get(event_type_name)
    if event_type is None or not event_type.control:
        raise CallerFailure(f"`{event_type_name}` is no control record: expected one of `contracts/catalogue/hub.toml`")
    complete = {"occurredAt": now, **payload}
    fault = fault_in(event_type, complete)
    if fault is not None:
        raise CallerFailure(f"control record `{event_type_name}`, field `{fault[0]}`: {fault[1]}")
    attributes = Attributes(
        id=str(uuid.uuid4()), source=f"urn:party:{HUB_PARTY}:{principal}", type=event_type.ce_type, time=now
    )
    return codec().encode(schema_ids().published(event_type_name), complete), published_headers(attributes)

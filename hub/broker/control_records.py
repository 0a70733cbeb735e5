"""What a control record looks like on the wire: one for Kafka and for the simulated broker.

Rules:
- Only event types marked `control` in the contracts; the payload is checked before anything is sent.
- `occurredAt` and `ce_time` are the time of publishing. A control record has no key, since it is no party's.
- What the hub tells itself is signed by whoever tells it (`hub_messages`).
- No failure shows the record.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from contracts.catalogue import catalogue
from contracts.cloudevents import Attributes, Headers, published_headers
from contracts.codec import codec
from contracts.failures import CallerFailure
from contracts.models import fault_in
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey, signature_headers
from contracts.topics import HUB_PARTY
from hub.broker.hub_messages import hub_message


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

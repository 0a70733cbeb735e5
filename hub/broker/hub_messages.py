"""What is signed of a record of the hub's own input: the bytes that whoever tells the hub something signs.

Rule: of a fact on its way to another shard, the hub's own headers are signed too (`FORWARDING_HEADERS`, and `HUB_TOLD`
where it is there), so that none can be made of an agency's record.

Apart from `control_records`, because a signing process needs this and no contract.
"""

from __future__ import annotations

from typing import Final

from contracts.cloudevents import STATED_HEADERS, Headers
from contracts.signatures import signed_message, stated_message

FORWARDING_HEADERS: Final = ("hub_case", "hub_from", "hub_recorded_at", "hub_judged", "hub_signing_key")
"""The headers of a forwarded fact, in the order in which they are signed; the first tells that it is one."""
HUB_TOLD: Final = "hub_told"
"""One more, where somebody was told of the fact."""
_FORWARDED: Final = b"org.casehub.forwarded.v1"
_FORWARDED_TOLD: Final = b"org.casehub.forwarded.v2"


def hub_message(topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bytes:
    """Return what is signed of a record of the hub's own input."""
    given = {name for name, _ in headers}
    if FORWARDING_HEADERS[0] in given:
        names = (*STATED_HEADERS, *FORWARDING_HEADERS)
        if HUB_TOLD in given:
            return signed_message(_FORWARDED_TOLD, (*names, HUB_TOLD), topic, key, headers, value)
        return signed_message(_FORWARDED, names, topic, key, headers, value)
    return stated_message(topic, key, headers, value)


def input_message(hub_input: str, topic: str, key: bytes | None, headers: Headers, value: bytes | None) -> bytes:
    """Return what is signed of a record of any input; `hub_input` is the name of the hub's own topic."""
    message = hub_message if topic == hub_input else stated_message
    return message(topic, key, headers, value)

"""Decides what one received record means for its receiver. Pure: no I/O, no clock.

Rules:
- A number at or below the last one is a repeat and has no effect.
- A number above the next one is a gap: refused, for what is missing may be a retraction.
- A record on another partition than its key's, a malformed key or header, a value on a retraction, no value on a
  disclosure, a value that is not the disclosed form of the type its header names: refused. Nothing is skipped.
- A mark of a resync (`ResyncNotified` of the hub) is no event of the party's view. With it reading goes on behind
  whatever stopped it: all of that partition that came before it is void, and all that may be seen comes after it.
- A message names partition, offset and numbers; never a key, a header's value or content.

From `consumers.subscription`; the outcome goes to `consumers.store`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from consumers.source import ReceivedRecord
from contracts.cloudevents import DisclosureAttributes, parse_disclosed
from contracts.codec import codec
from contracts.failures import MissingNumber, ReceiverFailure, Refused, UnreadableRecord
from contracts.partitioning import partition_of
from contracts.topics import HUB_PARTY

_MARK: Final = "ResyncNotified"
BEGUN: Final = "BEGUN"
COMPLETED: Final = "COMPLETED"
_PSEUDONYM: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_REMEDY: Final = "the partition stands still here; report partition and offset to the hub's operator"
ASK: Final = "ask the hub's operator for a resync of this party (`hub resync`)"


@dataclass(frozen=True, slots=True)
class Disclosed:
    """An event that the party may see from now on; it replaces what the party had of the same event."""

    key: str
    partition: int
    attributes: DisclosureAttributes
    event_type: str
    occurred_at: int
    schema_id: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Retracted:
    """An event that the party may no longer hold; it may never have had it."""

    key: str
    partition: int
    attributes: DisclosureAttributes


@dataclass(frozen=True, slots=True)
class Mark:
    """A resync of the partition has come so far: `state` is `BEGUN` or `COMPLETED`."""

    partition: int
    attributes: DisclosureAttributes
    state: str


@dataclass(frozen=True, slots=True)
class Anew:
    """A resync has begun behind a gap: all that the party holds of the partition is void, and comes again."""

    partition: int
    attributes: DisclosureAttributes


Step = Disclosed | Retracted | Mark | Anew


def examine(record: ReceivedRecord, last_number: int, partitions: int) -> Step | None:
    """Return what `record` means after number `last_number` of its partition; `None` for a repeat.

    Raises `MissingNumber` on a gap and `UnreadableRecord` on anything that is not as the contract says.
    """
    place = f"partition {record.partition}, offset {record.offset}"
    try:
        attributes = parse_disclosed(record.headers)
    except Refused as refused:
        raise UnreadableRecord(f"{place}: header `{refused.field}`: {refused.fix}; {_REMEDY}") from refused
    if record.key is None or not _PSEUDONYM.fullmatch(record.key):
        raise UnreadableRecord(f"{place}: key: expected a pseudonym in lower-case UUID form; {_REMEDY}")
    if partition_of(record.key, partitions) != record.partition:
        raise UnreadableRecord(f"{place}: the key lies on another of the {partitions} partitions; {_REMEDY}")
    if attributes.number <= last_number:
        return None
    if attributes.number != last_number + 1:
        raise MissingNumber(
            f"{place}: number `{attributes.number}` came after `{last_number}`, expected `{last_number + 1}`; "
            f"nothing was applied past the gap; {ASK}"
        )
    key = record.key.decode("ascii")
    if attributes.effect == "retracted":
        if record.value is not None:
            raise UnreadableRecord(f"{place}: a retraction carries a value, expected none; {_REMEDY}")
        return Retracted(key, record.partition, attributes)
    if record.value is None:
        raise UnreadableRecord(f"{place}: a disclosure carries no value; {_REMEDY}")
    return _disclosed(record, key, record.value, attributes, place)


def beginning(record: ReceivedRecord, last_number: int, partitions: int) -> Anew | None:
    """Return where reading begins anew, if that is at `record`: the beginning of a resync, behind `last_number`.

    Anything else, also what cannot be read, is passed over: it lies before whatever is to come.
    """
    try:
        number = parse_disclosed(record.headers).number
        step = examine(record, number - 1, partitions) if number > last_number else None
    except (Refused, ReceiverFailure):
        return None
    return Anew(step.partition, step.attributes) if isinstance(step, Mark) and step.state == BEGUN else None


def _disclosed(
    record: ReceivedRecord, key: str, value: bytes, attributes: DisclosureAttributes, place: str
) -> Disclosed | Mark:
    try:
        decoded = codec().decode(value)
    except Refused as refused:
        raise UnreadableRecord(f"{place}: value: {refused.reason}; {_REMEDY}") from refused
    if decoded.form != "disclosed" or decoded.event_type.ce_type != attributes.type:
        raise UnreadableRecord(
            f"{place}: value of schema `{decoded.schema_id}` is not the disclosed form of the type that header "
            f"`ce_type` names; {_REMEDY}"
        )
    if decoded.event_type.name == _MARK and attributes.party == HUB_PARTY:
        return Mark(record.partition, attributes, str(decoded.payload.get("state")))
    occurred_at = decoded.payload.get("occurredAt")
    if not isinstance(occurred_at, int):
        raise UnreadableRecord(f"{place}: field `occurredAt` is missing; {_REMEDY}")
    return Disclosed(key, record.partition, attributes, decoded.event_type.name, occurred_at, decoded.schema_id, value)

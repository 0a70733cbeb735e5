"""Whether a record is sound, judged without the hub's own code: Avro by the reference library, headers by hand.

Rules:
- Of the contracts only the Avro schemas, the names of event types and the list of roles are used.
- It judges frame, Avro, headers, time and key; the values of a sound record are judged by `value_oracle`.
"""

from __future__ import annotations

import io
import json
import re
import uuid
from collections import Counter
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import avro.io
import avro.schema

from contracts.avro_schemas import schema_of, without_logical_types
from contracts.catalogue import catalogue
from contracts.event_types import EventType
from contracts.limits import HEADER_VALUE_BYTES_MAX, HEADERS_COUNT_MAX, INSTANT_MAX, INSTANT_MIN, VALUE_BYTES_MAX
from contracts.schema_ids import schema_ids
from tests.fuzz.records import Mutant
from tests.fuzz.value_changes import FRAME_BYTES

_REQUIRED: Final = ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time")
_LINKS: Final = ("ce_corrects", "ce_correlationid", "ce_causationid")
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_OF_THE_HUB: Final = ("hub_seq", "hub_effect", "hub_decision")


def stated_in(value: bytes | None) -> tuple[EventType, dict[str, Any]] | None:
    """The event type and values whose published form `value` is, in one exact encoding; `None` where it is none."""
    if value is None or not FRAME_BYTES <= len(value) <= VALUE_BYTES_MAX or value[0] != 0:
        return None
    entry = schema_ids().entries.get(int.from_bytes(value[1:FRAME_BYTES], "big"))
    if entry is None or entry.form != "published":
        return None
    values = _exactly(entry.id, value[FRAME_BYTES:])
    return None if values is None else (entry.event_type, values)


@lru_cache(maxsize=512)
def _schema(schema_id: int) -> Any:
    """The schema by its id. A number too large for an `int` is outside the model, not outside Avro."""
    entry = schema_ids().entries[schema_id]
    derived = without_logical_types(schema_of(entry.event_type, entry.form, catalogue()))
    return avro.schema.parse(json.dumps(derived).replace('"int"', '"long"'))


def _exactly(schema_id: int, body: bytes) -> dict[str, Any] | None:
    schema, stream, written = _schema(schema_id), io.BytesIO(body), io.BytesIO()
    try:
        datum: dict[str, Any] = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(stream))  # type: ignore[assignment]
        avro.io.DatumWriter(schema).write(datum, avro.io.BinaryEncoder(written))
    except Exception:  # whatever the library runs into: it is no such record
        return None
    return datum if stream.read(1) == b"" and written.getvalue() == body else None


def headers_are_sound(record: Mutant, event_type: EventType) -> bool:
    """Whether the headers are those of an event of this type by the record's own party."""
    if len(record.headers) > HEADERS_COUNT_MAX:
        return False
    ours = [(name, value) for name, value in record.headers if name.lower().startswith("ce_") or name == "content-type"]
    ours += [(name, value) for name, value in record.headers if name in _OF_THE_HUB]
    if any(len(value) > HEADER_VALUE_BYTES_MAX or not value.isascii() for _, value in ours):
        return False
    if any(count > 1 for count in Counter(name for name, _ in ours).values()):
        return False
    found = {name: value.decode() for name, value in ours}
    if not set(_REQUIRED) <= found.keys() <= {*_REQUIRED, *_LINKS, *_OF_THE_HUB, "content-type"}:
        return False
    system = found["ce_source"].removeprefix(f"urn:party:{record.party}:")
    return (
        found["ce_specversion"] == "1.0"
        and found["ce_type"] == event_type.ce_type
        and system != found["ce_source"]
        and 0 < len(system) <= 40
        and system.replace("-", "a").isalnum()
        and all(_is_uuid(found[name]) for name in ("ce_id", *_LINKS) if name in found)
        and _is_time(found["ce_time"])
        and "avro" in found.get("content-type", "avro")
    )


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _is_time(text: str) -> bool:
    if not _RFC_3339.fullmatch(text):
        return False
    without_fraction = re.sub(r"\.[0-9]+", "", text.upper())
    try:
        moment = datetime.fromisoformat(without_fraction)
    except ValueError:
        return False
    return INSTANT_MIN <= moment.timestamp() * 1000 <= INSTANT_MAX


def key_is_sound(key: bytes | None) -> bool:
    """Whether the key could be a pseudonym."""
    return bool(key) and key is not None and len(key) <= 64 and key.isascii()

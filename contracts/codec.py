"""Turns payloads into framed Avro and back: the only module that knows the Avro library.

Rules:
- Frame: one zero byte, the schema id as 4 bytes big-endian, then the Avro body (Confluent framing).
- A body is read with the very schema it was written with, by exact id; no resolution, no defaults, no aliases.
- One value, one encoding: what was decoded is encoded again and must give the same bytes. This catches trailing
  bytes, overlong numbers, indexes outside a union or enum, booleans other than 0 and 1, and split array blocks.
- Whatever the library raises on hostile bytes becomes `Refused(bad_avro)`.
- A number too large for an `int` is read, in a nullable field too: both are one varint, and ranges are the model's.
- What is below arrival is in one shape: `decode_body` and `newest` read a value of an earlier version as the newest
  version has it, by the catalogue's rules (`contracts.upcast`). The bytes that were stored stay as they were stated.
- Payloads hold wire values: times and dates as numbers, uuids as text, decimals as bytes, `None` for absent.

From here: arrival (decode), disclosure (encode the disclosed form), producers and consumers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, NamedTuple

import fastavro

from contracts.avro_schemas import Form, schema_of, without_logical_types
from contracts.catalogue import Catalogue, catalogue
from contracts.event_types import EventType
from contracts.failures import InvalidFact, Refused
from contracts.limits import VALUE_BYTES_MAX
from contracts.reasons import Reason
from contracts.schema_ids import SchemaIds, schema_ids
from contracts.upcast import Translation

MAGIC: Final = b"\x00"
FRAME_BYTES: Final = 5

_read: Final[Callable[..., Any]] = fastavro.schemaless_reader
_write: Final[Callable[..., None]] = fastavro.schemaless_writer


class Decoded(NamedTuple):
    """One decoded value. `payload` has every field of the schema; `body` is the Avro without its frame."""

    schema_id: int
    event_type: EventType
    form: Form
    payload: dict[str, Any]
    body: bytes


class RecordCodec:
    """Avro bytes of one record schema, without a frame: the form in which the hub's own rows are stored."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = fastavro.parse_schema(_with_wide_numbers(without_logical_types(dict(schema))))
        self._names = tuple(field["name"] for field in schema["fields"])
        self._name_set = frozenset(self._names)

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """Return the bytes of `values`; a missing key is null. Raises `InvalidFact` for what does not fit."""
        if not values.keys() <= self._name_set:
            unknown = min(values.keys() - self._name_set)
            raise InvalidFact(unknown, "is not in the schema", "leave it out")
        get = values.get
        buffer = BytesIO()
        try:
            _write(buffer, self._schema, {name: get(name) for name in self._names}, strict=True)
        except Exception as error:  # the library raises whatever a wrong value runs into
            problem = f"does not fit the schema ({type(error).__name__})"
            raise InvalidFact("value", problem, "check it with `contracts.models` first") from None
        return buffer.getvalue()

    def encode_trusted(self, values: Mapping[str, Any]) -> bytes:
        """Return the bytes of `values` that need no check: decoded before, or built by our own typed code.

        A key may be missing where the schema has a default.
        """
        buffer = BytesIO()
        _write(buffer, self._schema, values)
        return buffer.getvalue()

    def decode(self, body: bytes) -> dict[str, Any]:
        """Return the values in trusted `body`, which this codec wrote; no canonical check."""
        values: dict[str, Any] = _read(BytesIO(body), self._schema, None)
        return values

    def is_exact(self, values: Mapping[str, Any], body: bytes) -> bool:
        """Whether `values`, just decoded from `body`, encode to the same bytes; raises what the library raises."""
        return self.encode_trusted(values) == body


class Codec:
    """Every schema of the catalogue, by id. Schemas are parsed at their first use."""

    def __init__(self, ids: SchemaIds, contracts: Catalogue) -> None:
        self._ids, self._contracts = ids, contracts
        self._codecs: dict[int, RecordCodec] = {}
        self._frames: dict[int, bytes] = {}
        self._to_newest: dict[int, tuple[Translation, ...]] = {}
        for schema_id, entry in ids.entries.items():
            earlier = contracts.earlier.get(entry.event_type.name, ())
            if steps := earlier[entry.event_type.version - 1 :]:
                self._to_newest[schema_id] = tuple(step.to_next for step in steps)

    def encode(self, schema_id: int, payload: Mapping[str, Any]) -> bytes:
        """Return `payload` as framed bytes. Raises `KeyError` for an unknown id, `InvalidFact` for a misfit."""
        body = self._codec(schema_id).encode(payload)
        return self._frames[schema_id] + body

    def encode_trusted(self, schema_id: int, payload: Mapping[str, Any]) -> bytes:
        """Return `payload`, cut from one that was decoded here, as framed bytes; absent fields may be missing."""
        codec = self._codec(schema_id)
        return self._frames[schema_id] + codec.encode_trusted(payload)

    def frame(self, schema_id: int, body: bytes) -> bytes:
        """Return a stored `body` as framed bytes."""
        self._codec(schema_id)
        return self._frames[schema_id] + body

    def decode(self, framed: bytes) -> Decoded:
        """Return what `framed` says. Raises `Refused` with one of its reasons on anything else than one exact value."""
        if len(framed) > VALUE_BYTES_MAX:
            raise Refused(Reason.TOO_LARGE, "value", f"send at most {VALUE_BYTES_MAX} bytes")
        if len(framed) < FRAME_BYTES or framed[:1] != MAGIC:
            raise Refused(Reason.BAD_FRAME, "value", "begin with a zero byte and the schema id as 4 bytes big-endian")
        schema_id = int.from_bytes(framed[1:FRAME_BYTES], "big")
        entry = self._ids.entries.get(schema_id)
        if entry is None:
            raise Refused(Reason.UNKNOWN_SCHEMA, "value", "use an id of `ids.toml`, given out with the contracts")
        codec, body = self._codec(schema_id), framed[FRAME_BYTES:]
        try:
            payload = codec.decode(body)
            exact = codec.is_exact(payload, body)
        except Exception:  # hostile bytes make the library raise nearly anything: all of it means this
            raise _bad_avro("it ends too early, or is no record of this schema") from None
        if not exact:
            raise _bad_avro("encoding it again gives other bytes")
        return Decoded(schema_id, entry.event_type, entry.form, payload, body)

    def decode_body(self, schema_id: int, body: bytes) -> dict[str, Any]:
        """Return the payload of a trusted `body` from our own store, in the shape of its newest version.

        Raises `KeyError` for an unknown id.
        """
        return self.newest(schema_id, self._codec(schema_id).decode(body))

    def newest(self, schema_id: int, payload: dict[str, Any]) -> dict[str, Any]:
        """Return a decoded `payload` of `schema_id` in the shape of the newest version of its event type."""
        for step in self._to_newest.get(schema_id, ()):
            payload = step.up(payload)
        return payload

    def older(self, schema_id: int, payload: dict[str, Any]) -> dict[str, Any]:
        """Return a `payload` in the shape of the newest version as far as that of `schema_id` can carry it."""
        for step in reversed(self._to_newest.get(schema_id, ())):
            payload = step.down(payload)
        return payload

    def _codec(self, schema_id: int) -> RecordCodec:
        codec = self._codecs.get(schema_id)
        if codec is None:
            entry = self._ids.entries[schema_id]
            codec = RecordCodec(schema_of(entry.event_type, entry.form, self._contracts))
            self._codecs[schema_id] = codec
            self._frames[schema_id] = MAGIC + schema_id.to_bytes(4, "big")
        return codec


def _with_wide_numbers(schema: Any) -> Any:
    """The same schema with every `int` as `long`: the library refuses a large `int` in a union and nowhere else."""
    if isinstance(schema, dict):
        parts = ("type", "items", "values", "fields")
        return {key: _with_wide_numbers(value) if key in parts else value for key, value in schema.items()}
    if isinstance(schema, list):
        return [_with_wide_numbers(part) for part in schema]
    return "long" if schema == "int" else schema


def _bad_avro(problem: str) -> Refused:
    return Refused(Reason.BAD_AVRO, "value", f"{problem}: write one record, in canonical Avro, with this very schema")


@lru_cache(maxsize=1)
def codec() -> Codec:
    """Return the codec of the contracts that come with this program."""
    return Codec(schema_ids(), catalogue())

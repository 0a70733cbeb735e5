"""How a fact lies in its row: a packed head (times, schema id), its names, then its Avro body as it was published.

Rules:
- The body is the publisher's own bytes, never written anew. Before it stands what the hub notes about it.
- Names cannot hold the separator: ids and sources are checked by arrival (`contracts.cloudevents`), and again here.
- The last but one tells where a fact came from in a merge; nearly always it is empty. Format 9 did not have it. The
  last is the id of the key that signed the fact; format 12 did not have it.
- Why this is no Avro record: see `contracts/decisions/the-head-of-a-fact-is-packed.md`.

`hub.store.record_schemas` writes and reads rows with it; the mapper seals them.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from contracts.failures import DamagedStore
from hub.store.records import FactRecorded, Origin

_HEAD: Final = Struct(">IqqqI")
"""Schema id, occurred, published and recorded time, bytes of the names."""
_BETWEEN: Final = "\0"
_NAMES: Final = 9


def encode_fact(record: FactRecorded) -> bytes:
    """Return the state of a fact's row. Raises `DamagedStore` for a name that holds the separator."""
    (
        _, _, event_id, event_type, party, source, schema_id, occurred_at, published_at, recorded_at,
        corrects, correlation, causation, body, origin, signing_key,
    ) = record  # fmt: skip
    came_from = f"{origin.case_id} {origin.recorded_at} {origin.is_judged:d}" if origin else ""
    joined = _BETWEEN.join(
        (
            event_id, event_type, party, source, corrects or "", correlation or "", causation or "", came_from,
            signing_key,
        )
    )  # fmt: skip
    if joined.count(_BETWEEN) != _NAMES - 1:
        raise DamagedStore("a fact's ids or source hold a zero character: it was not checked on arrival")
    names = joined.encode()
    return _HEAD.pack(schema_id, occurred_at, published_at, recorded_at, len(names)) + names + body


def decode_oldest_fact(stream: str, version: int, state: bytes) -> FactRecorded:
    """Return the fact of a row that was written before facts could come from another case."""
    return _decoded(stream, version, state, _NAMES - 2)


def decode_older_fact(stream: str, version: int, state: bytes) -> FactRecorded:
    """Return the fact of a row that was written before records were signed."""
    return _decoded(stream, version, state, _NAMES - 1)


def decode_fact(stream: str, version: int, state: bytes) -> FactRecorded:
    """Return the fact of a row; raises what a state of any other form makes it run into."""
    return _decoded(stream, version, state, _NAMES)


def _decoded(stream: str, version: int, state: bytes, count: int) -> FactRecorded:
    schema_id, occurred_at, published_at, recorded_at, length = _HEAD.unpack_from(state)
    end = _HEAD.size + length
    names = state[_HEAD.size : end].decode()
    given = names.split(_BETWEEN)
    if len(given) != count:
        raise DamagedStore("a fact's row has another number of names than its format")
    event_id, event_type, party, source, corrects, correlation, causation, came_from, signing_key = (
        *given,
        *("",) * (_NAMES - count),
    )
    return FactRecorded(
        stream,
        version,
        event_id,
        event_type,
        party,
        source,
        schema_id,
        occurred_at,
        published_at,
        recorded_at,
        corrects or None,
        correlation or None,
        causation or None,
        state[end:],
        _origin(came_from) if came_from else None,
        signing_key,
    )


def _origin(text: str) -> Origin:
    case_id, recorded_at, is_judged = text.split(" ")
    return Origin(case_id, int(recorded_at), is_judged == "1")

"""How each stored class is written: its Avro schema, the number of that schema, and the way there and back.

Rules:
- This is the allow-list: a row of any other class, or of a schema number that is not its class's, is refused
  before anything is decoded.
- A schema number is stored in every row and never gets another meaning. A changed class gets a new number
  beside the old one, and its old rows are read by code of this module.
- Stream and version are columns of the row and are not repeated in its state.
- Of a parked record, only why and where is open; its own bytes are sealed (`RawRecord`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from contracts.codec import RecordCodec
from hub.store.number_runs import decode_run, encode_run
from hub.store.packed_facts import decode_fact, decode_older_fact, decode_oldest_fact, encode_fact
from hub.store.records import (
    BatchCommitted,
    CitizenEnrolled,
    Decision,
    DecisionsRecorded,
    FactRecorded,
    GovernanceOpened,
    MergeStepped,
    NumbersAssigned,
    NumbersSkipped,
    ParkedResolved,
    Record,
    RecordParked,
    ResyncStepped,
    RulesAdopted,
    Shown,
    SigningKeyChanged,
    StoredRecord,
    ToldElsewhere,
)

_OPTIONAL_TEXT: Final = ["null", "string"]
_OPTIONAL_BYTES: Final = ["null", "bytes"]


def _schema(name: str, /, **fields: object) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": [{"name": n, "type": t} for n, t in fields.items()]}


_RAW_RECORD: Final = _schema(
    "RawRecord",
    key=_OPTIONAL_BYTES,
    value=_OPTIONAL_BYTES,
    headers={"type": "array", "items": _schema("Header", name="string", value="bytes")},
)


@dataclass(frozen=True, slots=True)
class StoredSchema:
    """One row format: `encode` gives the Avro body of a record, `decode` makes the record of it again."""

    number: int
    stored_class: type
    sealed: bool
    encode: Callable[[Any], bytes]
    decode: Callable[[str, int, bytes], StoredRecord]


_LONGS: Final = {"type": "array", "items": "long"}
_STRINGS: Final = {"type": "array", "items": "string"}
_TEXTS: Final = {"type": "array", "items": "bytes"}


def _plain(number: int, stored_class: type, /, *, sealed: bool, **fields: object) -> StoredSchema:
    """A format whose Avro fields are the fields of the class, as they are; an array is a tuple there."""
    codec = RecordCodec(_schema(stored_class.__name__, **fields))
    names, arrays = tuple(fields), [name for name, kind in fields.items() if kind in (_LONGS, _STRINGS, _TEXTS)]
    values_of = attrgetter(*names)

    def encode(record: Any) -> bytes:
        return codec.encode_trusted(dict(zip(names, values_of(record), strict=True)))

    def decode(stream: str, version: int, body: bytes) -> Record:
        values = codec.decode(body)
        for name in arrays:
            values[name] = tuple(values[name])
        record: Record = stored_class(stream, version, **values)
        return record

    return StoredSchema(number, stored_class, sealed, encode, decode)


_DECISION_COLUMNS: Final = {
    "clock": "long",
    "rule_set": "string",
    "registry": "string",
    "fact_versions": _LONGS,
    "parties": _STRINGS,
    "numbers": _LONGS,
    "shown": _LONGS,
    "shown_bases": {"type": "array", "items": _STRINGS},
    "shown_masks": {"type": "array", "items": _LONGS},
}
_OLDER_DECISIONS_CODEC: Final = RecordCodec(_schema("DecisionsRecorded", **_DECISION_COLUMNS))
_DECISIONS_CODEC: Final = RecordCodec(_schema("DecisionsRecorded", **_DECISION_COLUMNS, agreements="string"))
"""Decisions by column: one settlement holds many that show the same, and columns are six times as fast to write.

`shown` says, per decision, which entry of `shown_bases` and `shown_masks` it shows.
"""


def _encode_decisions(record: DecisionsRecorded) -> bytes:
    return _DECISIONS_CODEC.encode_trusted(_columns(record) | {"agreements": record.agreements})


def _encode_older_decisions(record: DecisionsRecorded) -> bytes:
    return _OLDER_DECISIONS_CODEC.encode_trusted(_columns(record))


def _columns(record: DecisionsRecorded) -> dict[str, Any]:
    entries: dict[Shown, int] = {}
    shown = [entries.setdefault(decision.shown, len(entries)) for decision in record.decisions]
    return {
        "clock": record.clock,
        "rule_set": record.rule_set,
        "registry": record.registry,
        "fact_versions": [decision.fact_version for decision in record.decisions],
        "parties": [decision.party for decision in record.decisions],
        "numbers": [decision.number for decision in record.decisions],
        "shown": shown,
        "shown_bases": [[basis for basis, _ in entry] for entry in entries],
        "shown_masks": [[mask for _, mask in entry] for entry in entries],
    }


def _decode_decisions(stream: str, version: int, body: bytes) -> Record:
    return _decisions(stream, version, _DECISIONS_CODEC.decode(body))


def _decode_older_decisions(stream: str, version: int, body: bytes) -> Record:
    """Read what was decided before decisions named the agreements that were in force."""
    return _decisions(stream, version, {**_OLDER_DECISIONS_CODEC.decode(body), "agreements": ""})


def _decisions(stream: str, version: int, values: Mapping[str, Any]) -> Record:
    pairs = zip(values["shown_bases"], values["shown_masks"], strict=True)
    entries = [tuple(zip(bases, masks, strict=True)) for bases, masks in pairs]
    columns = zip(values["fact_versions"], values["parties"], values["shown"], values["numbers"], strict=True)
    decisions = tuple(Decision(fact, party, entries[entry], number) for fact, party, entry, number in columns)
    return DecisionsRecorded(
        stream, version, values["clock"], values["rule_set"], values["registry"], decisions, values["agreements"]
    )


_PARKED_CODEC: Final = RecordCodec(
    _schema(
        "RecordParked",
        reason="string",
        field="string",
        fix="string",
        topic="string",
        partition="long",
        offset="long",
        recorded_at="long",
    )
)
_PARKED_FIELDS: Final = ("reason", "field", "fix", "topic", "partition", "offset", "recorded_at")
_RAW_CODEC: Final = RecordCodec(_RAW_RECORD)


def _encode_parked(record: RecordParked) -> bytes:
    return _PARKED_CODEC.encode({name: getattr(record, name) for name in _PARKED_FIELDS})


def _decode_parked(stream: str, version: int, body: bytes) -> Record:
    return RecordParked(stream, version, **_PARKED_CODEC.decode(body), key=None, value=None, headers=())


def encode_raw(record: RecordParked) -> bytes:
    """Return the part of a parked record that is sealed: key, value and headers as they came."""
    headers = [{"name": name, "value": value} for name, value in record.headers]
    return _RAW_CODEC.encode({"key": record.key, "value": record.value, "headers": headers})


def decode_raw(body: bytes) -> tuple[bytes | None, bytes | None, tuple[tuple[str, bytes], ...]]:
    """Return key, value and headers of a parked record."""
    values = _RAW_CODEC.decode(body)
    return values["key"], values["value"], tuple((item["name"], item["value"]) for item in values["headers"])


_MERGE_STEPPED: Final = {
    "recorded_at": "long",
    "step": "string",
    "other": "string",
    "other_shard": "long",
    "event_ids": _STRINGS,
    "change": "long",
}

_TOLD_ELSEWHERE_CODEC: Final = RecordCodec(
    _schema(
        "ToldElsewhere",
        recorded_at="long",
        event_id="string",
        other="string",
        parties=_STRINGS,
        bases={"type": "array", "items": _STRINGS},
        masks={"type": "array", "items": _LONGS},
    )
)


def _encode_told_elsewhere(record: ToldElsewhere) -> bytes:
    return _TOLD_ELSEWHERE_CODEC.encode(
        {
            "recorded_at": record.recorded_at,
            "event_id": record.event_id,
            "other": record.other,
            "parties": [party for party, _ in record.told],
            "bases": [[basis for basis, _ in shown] for _, shown in record.told],
            "masks": [[mask for _, mask in shown] for _, shown in record.told],
        }
    )


def _decode_told_elsewhere(stream: str, version: int, body: bytes) -> Record:
    values = _TOLD_ELSEWHERE_CODEC.decode(body)
    columns = zip(values["parties"], values["bases"], values["masks"], strict=True)
    told = tuple((party, tuple(zip(bases, masks, strict=True))) for party, bases, masks in columns)
    return ToldElsewhere(stream, version, values["recorded_at"], values["event_id"], values["other"], told)


_BATCH_COMMITTED: Final = {"owner": "string", "clock": "long", "positions": {"type": "map", "values": "long"}}

_SCHEMAS: Final = (
    _plain(1, CitizenEnrolled, sealed=True, recorded_at="long", birth_date="long", jurisdiction="string"),
    _plain(
        2,
        FactRecorded,
        sealed=True,
        event_id="string",
        event_type="string",
        party="string",
        source="string",
        schema_id="long",
        occurred_at="long",
        published_at="long",
        recorded_at="long",
        corrects=_OPTIONAL_TEXT,
        correlation=_OPTIONAL_TEXT,
        causation=_OPTIONAL_TEXT,
        value="bytes",
    ),
    StoredSchema(3, DecisionsRecorded, True, _encode_older_decisions, _decode_older_decisions),
    StoredSchema(4, NumbersAssigned, False, encode_run, decode_run),
    StoredSchema(5, RecordParked, False, _encode_parked, _decode_parked),
    _plain(6, ParkedResolved, sealed=False, parked_version="long", outcome="string", recorded_at="long"),
    _plain(7, BatchCommitted, sealed=False, **_BATCH_COMMITTED),
    _plain(8, RulesAdopted, sealed=False, recorded_at="long", digest="string"),
    StoredSchema(9, FactRecorded, True, encode_fact, decode_oldest_fact),
    _plain(10, GovernanceOpened, sealed=True, recorded_at="long", jurisdiction="string"),
    StoredSchema(11, DecisionsRecorded, True, _encode_decisions, _decode_decisions),
    StoredSchema(12, FactRecorded, True, encode_fact, decode_older_fact),
    _plain(13, MergeStepped, sealed=True, **_MERGE_STEPPED),
    StoredSchema(14, FactRecorded, True, encode_fact, decode_fact),
    _plain(
        15,
        SigningKeyChanged,
        sealed=False,
        recorded_at="long",
        change="string",
        key_id="string",
        public_key="bytes",
        old_key_id="string",
        proof="bytes",
    ),
    _plain(
        16,
        ResyncStepped,
        sealed=False,
        recorded_at="long",
        step="string",
        request="string",
        asked_at="long",
        number="long",
        reached="string",
        left=_STRINGS,
    ),
    _plain(17, MergeStepped, sealed=True, **_MERGE_STEPPED, told_version="long"),
    _plain(18, RulesAdopted, sealed=False, recorded_at="long", digest="string", rule_sets=_TEXTS, registry="bytes"),
    _plain(19, NumbersSkipped, sealed=False, recorded_at="long", first="long"),
    _plain(20, BatchCommitted, sealed=False, **_BATCH_COMMITTED, seal="bytes"),
    StoredSchema(21, ToldElsewhere, True, _encode_told_elsewhere, _decode_told_elsewhere),
)

WRITTEN_AS: Final[Mapping[type, StoredSchema]] = {schema.stored_class: schema for schema in _SCHEMAS}
"""The format in which each class is written now: the newest of its formats, which stands last."""

READABLE: Final[Mapping[tuple[str, int], StoredSchema]] = {
    (schema.stored_class.__name__, schema.number): schema for schema in _SCHEMAS
}
"""Every (class name, schema number) that may be read."""

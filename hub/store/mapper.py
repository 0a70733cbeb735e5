"""Between records and rows: Avro, sealed under the key of the record's case and bound to its place.

Rules:
- A row's topic is the bare class name. Only names of the allow-list are read, never an import path.
- A row's state is a 2-byte schema number, then the Avro body: sealed (nonce, AES-256-GCM) for rows of a case, open
  for rows without content. A parked record is an open body followed by its own bytes, sealed.
- Class, schema number, version and stream are bound in: a row moved to another place does not open.
- The row of a batch seals all rows that are stored with it, open ones too.
- Nothing is compressed and nothing pickled.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from hmac import compare_digest
from typing import Any, Final, cast

from cryptography.exceptions import InvalidTag
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder

from contracts.failures import DamagedStore, NotFound, StoreFailure
from hub.store.batch_seal import BatchSeal
from hub.store.keys import KeyStore, seal, unseal
from hub.store.ports import RESTORE, Erased
from hub.store.record_schemas import READABLE, WRITTEN_AS, StoredSchema, decode_raw, encode_raw
from hub.store.records import BatchCommitted, Record, RecordParked, StoredRecord

_NUMBER: Final = struct.Struct(">H")
_NUMBER_AND_LENGTH: Final = struct.Struct(">HI")


class RecordMapper(Mapper[str]):
    """Turns the records of one shard into rows and back."""

    def __init__(self, keys: KeyStore, shard: int) -> None:
        super().__init__(_NoTranscoder())
        self._keys = keys
        self._shard = shard

    def begin(self) -> None:
        """Call once before the rows of one read or write: a key that another process destroyed is held no longer."""
        self._keys.forget_what_others_changed()

    def parked_key_prefix(self) -> str:
        """The beginning of the names of the keys under which this shard's parked records are sealed."""
        return f"shard:{self._shard}/"

    def parked_key(self, stream: str, version: int) -> str:
        """The name of the key of one parked record."""
        return f"{self.parked_key_prefix()}{stream}/{version}"

    def to_stored_event(self, domain_event: DomainEventProtocol[str]) -> StoredEvent:
        """Return the row of a record. Raises `NotFound` where the key of its case is not there."""
        schema = WRITTEN_AS.get(type(domain_event))
        if schema is None:
            raise DamagedStore(f"class `{type(domain_event).__name__}` is not one that the store holds")
        stream, version = domain_event.originator_id, domain_event.originator_version
        body = schema.encode(domain_event)
        name = schema.stored_class.__name__
        if schema.sealed:
            bound = _place(schema, stream, version)
            state = _NUMBER.pack(schema.number) + seal(self._keys.cipher_of(stream), body, bound)
        elif isinstance(domain_event, RecordParked):
            cipher = self._keys.cipher_of(self.parked_key(stream, version))
            opened = _NUMBER_AND_LENGTH.pack(schema.number, len(body)) + body
            state = opened + seal(cipher, encode_raw(domain_event), _place(schema, stream, version) + opened)
        else:
            state = _NUMBER.pack(schema.number) + body
        return StoredEvent(stream, version, name, state)

    def sealed(self, rows: Sequence[StoredEvent], committed: BatchCommitted, before: bytes) -> BatchCommitted:
        """Return a batch that is stored with `rows`, sealed over them; `before` is the seal before it."""
        begun = self.begun_seal(before)
        for row in rows:
            begun.add(row)
        begun.add(self.to_stored_event(replace(committed, seal=b"")))
        return replace(committed, seal=begun.value())

    def begun_seal(self, before: bytes) -> BatchSeal:
        """Return a seal that takes in the rows of a batch one by one, behind the seal `before`."""
        return self._keys.begun_seal(before)

    def holds(self, row: StoredEvent, rows: BatchSeal) -> bool:
        """Whether a batch was sealed over `rows`; its own `row` is written anew as it was, whichever schema is newest.

        Raises `DamagedStore`.
        """
        committed, schema = cast(BatchCommitted, self.to_record(row)), _schema_of(row)
        state = _NUMBER.pack(schema.number) + schema.encode(replace(committed, seal=b""))
        rows.add(StoredEvent(row.originator_id, row.originator_version, row.topic, state))
        return compare_digest(rows.value(), committed.seal)

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[str]:
        """Return the record of a row.

        Raises `DamagedStore` for a class that is not allowed or a row that does not open at its place, `NotFound`
        where the key of its case was destroyed. A parked record whose key was destroyed has no bytes any more.
        """
        return cast(DomainEventProtocol[str], self.to_record(stored_event))

    def to_record(self, row: StoredEvent) -> StoredRecord:
        """Return the record of a row, as `to_domain_event`."""
        stream, version, state = str(row.originator_id), row.originator_version, row.state
        schema = _schema_of(row)
        try:
            if schema.sealed:
                cipher = self._keys.cipher_of(stream)
                body = unseal(cipher, state[_NUMBER.size :], _place(schema, stream, version))
                return schema.decode(stream, version, body)
            if schema.stored_class is RecordParked:
                return self._parked(schema, stream, version, state)
            return schema.decode(stream, version, state[_NUMBER.size :])
        except (NotFound, StoreFailure):  # a key store that does not answer now says nothing about the row
            raise
        except InvalidTag:
            raise DamagedStore(f"row `{stream}` `{version}` was changed or moved: {RESTORE}") from None
        except Exception as error:
            kind = type(error).__name__
            raise DamagedStore(f"row `{stream}` `{version}` cannot be decoded ({kind}): {RESTORE}") from None

    def has_bytes(self, parked: RecordParked) -> bool:
        """Whether the bytes of a parked record are still there: they end when it is resolved."""
        try:
            self._keys.cipher_of(self.parked_key(parked.originator_id, parked.originator_version))
        except NotFound:
            return False
        return True

    def require_key_was_made(self, parked: RecordParked) -> None:
        """Raise `NotFound` where the key of a parked record was never made in this key store: it was lost."""
        try:
            self._keys.cipher_of(self.parked_key(parked.originator_id, parked.originator_version))
        except Erased:
            return

    def seal_cache_row(self, stream: str, row: bytes) -> bytes | None:
        """Return the cache row of a case, sealed under the case's key; `None` where that was destroyed."""
        try:
            return seal(self._keys.cipher_of(stream), row, _cache_place(stream))
        except Erased:
            return None

    def open_cache_row(self, stream: str, sealed: bytes) -> bytes | None:
        """Return a cache row, or `None` where it does not open: it is disposable."""
        try:
            return unseal(self._keys.cipher_of(stream), sealed, _cache_place(stream))
        except (InvalidTag, NotFound, ValueError):
            return None

    def _parked(self, schema: StoredSchema, stream: str, version: int, state: bytes) -> Record:
        _, length = _NUMBER_AND_LENGTH.unpack_from(state)
        end = _NUMBER_AND_LENGTH.size + length
        opened, sealed = state[:end], state[end:]
        record = cast(RecordParked, schema.decode(stream, version, opened[_NUMBER_AND_LENGTH.size :]))
        try:
            cipher = self._keys.cipher_of(self.parked_key(stream, version))
        except NotFound:
            return record
        key, value, headers = decode_raw(unseal(cipher, sealed, _place(schema, stream, version) + opened))
        return replace(record, key=key, value=value, headers=headers)


def _schema_of(row: StoredEvent) -> StoredSchema:
    schema = READABLE.get((row.topic, int.from_bytes(row.state[: _NUMBER.size], "big")))
    if schema is None:
        place = f"`{row.originator_id}` `{row.originator_version}`"
        raise DamagedStore(f"row {place} has a class or schema that the store does not hold")
    return schema


def _place(schema: StoredSchema, stream: str, version: int) -> bytes:
    return f"{schema.stored_class.__name__}\0{schema.number}\0{version}\0{stream}\0".encode()


def _cache_place(stream: str) -> bytes:
    return f"cache row\0{stream}\0".encode()


class _NoTranscoder(Transcoder):
    """The library asks for one; each class has its own schema here, so reaching this one is a fault."""

    def encode(self, obj: Any) -> bytes:
        raise DamagedStore(f"`{type(obj).__name__}` is not written by the mapper of records: use `RecordMapper`")

    def decode(self, data: bytes) -> Any:
        raise DamagedStore(f"`{len(data)}` bytes are not read by the mapper of records: use `RecordMapper`")

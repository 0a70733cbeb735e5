"""The store of a shard in a schema of a PostgreSQL database: made, opened by its worker, opened for reading.

Rules:
- Shard k is schema `shard_k`. `create_store` makes it, as the database's owner, whole or not at all: under another name
  until it is complete. The others never make one. A store that is not there, or is another's, raises `ForeignStore`.
- Who opens a shard ends the session of an owner that stopped while it sent rows: it would hold the lock for ever.
- The hub's own role owns nothing. It may add events and never change or remove one; a worker that connects with more
  rights than that is refused (`postgres_safety`), and so is an unsafe server.
"""

from __future__ import annotations

import logging
import os
from typing import Final

import psycopg

from contracts.failures import ForeignStore, StoreUnavailable
from hub.store.identity import read_identity, require_identity, write_identity
from hub.store.keys import KeyStore
from hub.store.mapper import RecordMapper
from hub.store.ports import StoreIdentity
from hub.store.postgres_datastore import ShardDatastore, checked_url, connect, in_schema
from hub.store.postgres_recorder import PostgresRecorder
from hub.store.postgres_safety import refuse_unsafe_server, risky, unsafe
from hub.store.reader import ShardReader
from hub.store.shard_store import DatabaseShardStore, opened_to_write
from hub.store.storage_errors import storage_errors, storage_errors_named
from hub.store.unsafe_settings import refuse_unsafe_settings

log: Final = logging.getLogger(__name__)
STORE_URL_SETTING: Final = "HUB_STORE_URL"


def schema_of(shard: int) -> str:
    """The schema of one shard."""
    return f"shard_{shard}"


def create_store(owner_url: str, role: str, identity: StoreIdentity) -> None:
    """Make the store of a shard, as the database's owner, for the hub's `role`.

    Raises `ForeignStore` where its schema is there already, and `StoreUnavailable` where it cannot be made.
    """
    refuse_unsafe_settings(os.environ)
    conninfo = checked_url(owner_url, STORE_URL_SETTING)
    schema = schema_of(identity.shard)
    unfinished = f"{schema}_unfinished"
    try:
        with connect(conninfo, schema) as connection:
            if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is not None:
                raise ForeignStore(f"schema `{schema}` exists: a store is made once; open it, or give another URL")
            connection.execute(in_schema("DROP SCHEMA IF EXISTS {schema} CASCADE", unfinished))
            connection.execute(in_schema("CREATE SCHEMA {schema}", unfinished))
            _fill(PostgresRecorder(ShardDatastore(conninfo, unfinished)), role, identity)
            connection.execute(in_schema("ALTER SCHEMA {schema} RENAME TO {complete}", unfinished, complete=schema))
    except psycopg.Error as error:
        raise StoreUnavailable(f"schema `{schema}` could not be made: {error}") from error


def _fill(recorder: PostgresRecorder, role: str, identity: StoreIdentity) -> None:
    try:
        with storage_errors_named():
            recorder.create()
            recorder.grant(role)
            write_identity(recorder, identity)
    finally:
        recorder.close()


def open_store(url: str, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
    """Open the store of a shard to write; raise `ForeignStore` unless it was made for `identity`."""
    refuse_unsafe_settings(os.environ)
    recorder, stored = _opened(url, identity.shard)
    try:
        require_identity(stored, identity)
        with storage_errors_named():
            refuse_unsafe_server(recorder)
            if recorder.end_stopped_owner():
                log.warning("shard %d: an owner that had stopped while it sent rows lost its session", identity.shard)
    except BaseException:
        recorder.close()
        raise
    return opened_to_write(recorder, stored, identity, keys)


def open_for_reading(url: str, shard: int, keys: KeyStore) -> ShardReader:
    """Open a store to read, beside a worker that may be writing it; raise `ForeignStore` where it is none."""
    recorder, stored = _opened(url, shard)
    return ShardReader(recorder, RecordMapper(keys, stored.shard))


def unsafe_server(url: str, shard: int) -> list[str]:
    """Say what is unsafe or risky about the server, and about the role by which `url` connects to a shard."""
    recorder, _ = _opened(url, shard)
    try:
        with storage_errors_named():
            return [*unsafe(recorder), *risky(recorder)]
    finally:
        recorder.close()


def _opened(url: str, shard: int) -> tuple[PostgresRecorder, StoreIdentity]:
    schema = schema_of(shard)
    try:
        recorder = PostgresRecorder(ShardDatastore(checked_url(url, STORE_URL_SETTING), schema))
        ((exists,),) = recorder.select("SELECT to_regclass(?) IS NOT NULL", (f"{schema}.store_identity",))
    except storage_errors() as error:
        raise StoreUnavailable(
            f"the database of the shards does not answer: {error}; start it, or mend the URL"
        ) from error
    try:
        if not exists:
            raise ForeignStore(f"no store in schema `{schema}`: make one with `hub world make`, or give the right URL")
        with storage_errors_named():
            return recorder, read_identity(recorder)
    except BaseException:
        recorder.close()
        raise

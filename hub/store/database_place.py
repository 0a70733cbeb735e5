"""The place of a hub's stores in PostgreSQL (`hub.store.places.StorePlace`): loaded by whoever has a URL of one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from contracts.failures import BadSetting, ForeignStore
from hub.store import postgres, postgres_keys
from hub.store.keys import KeyStore
from hub.store.places import DatabaseOwner
from hub.store.ports import StoreIdentity
from hub.store.postgres_datastore import checked_url, role_of, same_database
from hub.store.reader import ShardReader
from hub.store.shard_store import DatabaseShardStore
from hub.store.unsafe_settings import unsafe_settings


@dataclass(frozen=True, slots=True)
class DatabasePlace:
    """PostgreSQL: a schema for each shard at one URL, the keys at another. Both are those of the hub's own role."""

    url: str
    keys_url: str

    def __post_init__(self) -> None:
        if same_database(
            checked_url(self.url, postgres.STORE_URL_SETTING),
            checked_url(self.keys_url, postgres_keys.KEYS_URL_SETTING),
        ):
            raise BadSetting("`HUB_STORE_URL` and `HUB_KEYS_URL` lead to one database: keys need one of their own")

    def create(self, master_key: bytes, identities: Sequence[StoreIdentity], owner: DatabaseOwner | None) -> None:
        """See `StorePlace.create`; the databases' owner makes them for the roles of the URLs."""
        if owner is None:
            raise BadSetting("stores in databases are made by their owner: give the owner's URLs")
        # The hub's own role is asked where something is there already, and only there: it need not reach us else.
        try:
            postgres_keys.create_keys(owner.keys_url, role_of(self.keys_url), master_key)
        except ForeignStore:
            self.open_keys(master_key).close()
        for identity in identities:
            try:
                postgres.create_store(owner.url, role_of(self.url), identity)
            except ForeignStore:
                with closing(self.open_keys(master_key)) as keys:
                    self.open_store(identity, keys).close()

    def open_keys(self, master_key: bytes, *, read_only: bool = False) -> KeyStore:
        """See `StorePlace.open_keys`."""
        del read_only  # the role's rights say what may be written
        return postgres_keys.open_keys(self.keys_url, master_key)

    def open_store(self, identity: StoreIdentity, keys: KeyStore) -> DatabaseShardStore:
        """See `StorePlace.open_store`."""
        return postgres.open_store(self.url, identity, keys)

    def open_for_reading(self, shard: int, keys: KeyStore) -> ShardReader:
        """See `StorePlace.open_for_reading`."""
        return postgres.open_for_reading(self.url, shard, keys)

    def unsafe(self, shard: int) -> list[str]:
        """See `StorePlace.unsafe`."""
        return unsafe_settings(os.environ) + postgres.unsafe_server(self.url, shard)

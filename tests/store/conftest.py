"""A fresh place for stores, per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.store.shard_store import DatabaseShardStore
from tests.store.stores import SQLiteStores


@pytest.fixture
def stores(tmp_path: Path) -> SQLiteStores:
    return SQLiteStores(tmp_path)


@pytest.fixture
def store(stores: SQLiteStores) -> DatabaseShardStore:
    return stores.create()

"""A fresh place for stores, per test."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.store.sqlite import SQLiteShardStore
from tests.store.stores import SQLiteStores


@pytest.fixture
def stores(tmp_path: Path) -> SQLiteStores:
    return SQLiteStores(tmp_path)


@pytest.fixture
def store(stores: SQLiteStores) -> SQLiteShardStore:
    return stores.create()

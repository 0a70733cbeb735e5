"""Stores that leave it to the system when their files reach the disk: for rooms in which nobody cuts the power.

A killed shard or process loses nothing by it, since the system has the pages; that stores do wait for the disk is held
where they are opened, by the rooms `store` and `consumers`.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any

import pytest

_connect = sqlite3.connect


class _Unsynced(sqlite3.Connection):
    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return super().execute("PRAGMA synchronous=OFF" if sql == "PRAGMA synchronous=FULL" else sql, *values)


def _connected(*arguments: Any, **options: Any) -> sqlite3.Connection:
    connection: sqlite3.Connection = _connect(*arguments, **{"factory": _Unsynced} | options)
    return connection


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk in a test of the room whose conftest takes this in."""
    monkeypatch.setattr(sqlite3, "connect", _connected)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)

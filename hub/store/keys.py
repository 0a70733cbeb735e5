"""The data keys: one per case and one per parked record, in a place of their own, wrapped under the master key.

Rules:
- Keys never lie beside the rows that they open: another file or database, which is backed up and destroyed apart.
- A key is wrapped with AES-256-GCM under the master key, its name bound in: a key moved to another name fails.
- `make` has written the keys to the disk when it returns, so that no row is stored whose key could be lost.
- `destroy` is for ever: the name is kept without its key and no key is made for it again.
- A key store is made by `create`, never by opening; another master key is refused at once.

Erasing a case is `destroy(case_stream(case_id))`: rows, cache row and every copy of them become unreadable.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts.failures import BadSetting, DamagedStore, NotFound
from hub.store.batch_seal import BatchSeal, seal_key
from hub.store.key_tables import KeyTable
from hub.store.ports import Erased
from hub.store.sqlite_keys import SQLiteKeyTable

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12

_CHECK_NAME: Final = "master key check"
_CIPHERS_HELD_MAX: Final = 20_000


def seal(cipher: AESGCM, plain: bytes, bound: bytes) -> bytes:
    """Return nonce and ciphertext of `plain`; `bound` must be the same to open it."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, plain, bound)


def unseal(cipher: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    """Return what `seal` sealed; raise `cryptography.exceptions.InvalidTag` where anything differs."""
    return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)


class KeyStore:
    """The data keys of a hub by name: a stream name of a case, or the name that a store gives a parked record."""

    def __init__(self, table: KeyTable, master_key: bytes) -> None:
        """Use the keys of `table`; raises `BadSetting` for another master key, and then closes the table."""
        self._table = table
        self._lock = Lock()
        self._ciphers: dict[str, AESGCM] = {}
        self._seen_change = -1
        try:
            self._master = AESGCM(_checked_master(master_key))
            self._seal_key = seal_key(master_key)
            self._check_made_for_us()
        except BaseException:
            table.close()
            raise

    @classmethod
    def in_file(cls, path: Path, master_key: bytes, *, read_only: bool = False) -> KeyStore:
        """Open the key store in a file; raise `ForeignStore` where there is none or of another format."""
        return cls(SQLiteKeyTable(path, read_only=read_only), master_key)

    @classmethod
    def create(cls, path: Path, master_key: bytes) -> KeyStore:
        """Make an empty key store in a file; raise `ForeignStore` where something is there already."""
        SQLiteKeyTable.create(path, first_row(master_key))
        return cls.in_file(path, master_key)

    def make(self, names: Iterable[str]) -> None:
        """Make a key for each name that has none, durably. Raises `DamagedStore` for a destroyed one."""
        wanted = sorted(set(names))
        if not wanted:
            return
        with self._lock:
            known = self._table.rows(wanted)
            if destroyed := [name for name, wrapped in known.items() if wrapped is None]:
                raise DamagedStore(f"key `{destroyed[0]}` was destroyed and is never made again")
            if missing := [name for name in wanted if name not in known]:
                self._table.insert([(name, self._new(name)) for name in missing])

    def cipher_of(self, name: str) -> AESGCM:
        """Return the cipher under the key `name`; raise `NotFound` where it was never made, or destroyed."""
        cipher = self._ciphers.get(name)
        if cipher is None:
            with self._lock:
                cipher = AESGCM(self._key(name))
                if len(self._ciphers) >= _CIPHERS_HELD_MAX:
                    self._ciphers.clear()
                self._ciphers[name] = cipher
        return cipher

    def key_of(self, name: str) -> bytes:
        """Return the key `name` itself (32 bytes); raise `NotFound` as `cipher_of`."""
        with self._lock:
            return self._key(name)

    def begun_seal(self, before: bytes) -> BatchSeal:
        """Return the seal of a batch of which no row is taken in yet, behind the seal `before`."""
        return BatchSeal(self._seal_key, before)

    def destroy(self, names: Iterable[str]) -> None:
        """Destroy the keys of `names`, for ever; one that never was is marked as destroyed too."""
        doomed = sorted(set(names))
        if not doomed:
            return
        with self._lock:
            for name in doomed:
                self._ciphers.pop(name, None)
            self._table.destroy(doomed)

    def forget_what_others_changed(self) -> None:
        """Drop held keys if another process has changed the table: it may have destroyed one of them.

        Called once per read or write of a store, not per row.
        """
        with self._lock:
            change = self._table.changes()
            if change != self._seen_change:
                self._ciphers.clear()
                self._seen_change = change

    def live_names(self, prefix: str) -> Sequence[str]:
        """Return the names with `prefix` whose key is there, sorted."""
        with self._lock:
            return self._table.live_names(prefix)

    def destroyed_names(self, prefix: str) -> Sequence[str]:
        """Return the names with `prefix` whose key was destroyed, sorted."""
        with self._lock:
            return self._table.destroyed_names(prefix)

    def close(self) -> None:
        """Release the table and forget every key."""
        with self._lock:
            self._ciphers.clear()
            self._table.close()

    def _key(self, name: str) -> bytes:
        rows = self._table.rows([name])
        wrapped = rows.get(name)
        if wrapped is None:
            if name in rows:
                raise Erased(f"key `{name}` was destroyed: what it sealed cannot be read")
            raise NotFound(f"key `{name}` was never made in this key store: what it sealed cannot be read")
        try:
            return unseal(self._master, wrapped, name.encode())
        except (InvalidTag, ValueError):
            raise DamagedStore(f"key `{name}` does not open under the master key: restore the key store") from None

    def _new(self, name: str) -> bytes:
        return seal(self._master, AESGCM.generate_key(8 * KEY_BYTES), name.encode())

    def _check_made_for_us(self) -> None:
        check = self._table.rows([_CHECK_NAME]).get(_CHECK_NAME)
        try:
            unseal(self._master, check or b"", _CHECK_NAME.encode())
        except (InvalidTag, ValueError):
            raise BadSetting("the master key does not open this key store: give the right one") from None


def first_row(master_key: bytes) -> tuple[str, bytes]:
    """Return the row that a new table begins with: by it a key store tells its own master key."""
    master = AESGCM(_checked_master(master_key))
    return _CHECK_NAME, seal(master, os.urandom(KEY_BYTES), _CHECK_NAME.encode())


def _checked_master(master_key: bytes) -> bytes:
    if len(master_key) != KEY_BYTES:
        raise BadSetting(f"the master key has `{len(master_key)}` bytes, expected `{KEY_BYTES}`")
    return master_key

"""What the library and the databases raise, and what this project calls it."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from eventsourcing.persistence import PersistenceError

from contracts.failures import DamagedStore, NotFound, StoreUnavailable
from hub.store.ports import RESTORE


def storage_errors() -> tuple[type[Exception], ...]:
    """Return what the library and the databases raise.

    The driver of PostgreSQL takes a fifth of a worker's start and is loaded by who has stores there alone; where it
    is not, none of its errors can come.
    """
    driver = sys.modules.get("psycopg")
    return (PersistenceError, sqlite3.Error, *((driver.Error,) if driver else ()))


@contextmanager
def storage_errors_named() -> Iterator[None]:
    """Turn what the library and the databases raise into failures of this project."""
    try:
        yield
    except UnicodeEncodeError:
        raise NotFound("what is asked for is no text, and no store has it: give it in UTF-8") from None
    except UnicodeDecodeError:
        raise DamagedStore(f"a text of the store is none: do not go on with it, {RESTORE}") from None
    except storage_errors() as error:
        raise StoreUnavailable(f"the store could not be read or written: {error}; free the lock or the disk") from error

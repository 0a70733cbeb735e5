"""Receivers: the real subscription and store of an agency, on a database in memory, killed at any statement.

Rules:
- The database outlives the program: what a killed one had not committed is rolled back, as SQLite's journal does.
- What removed rows leave behind in pages is not looked at here, so the file is never rewritten (`VACUUM`).
- A receiver's time stands still, so that what it does hangs on nothing but the drawn history.
- A receiver that lost something may stand at a gap until a resync begins. When one is completed its view of that
  partition must be the fold of all that was ever sent to it, as if it had lost nothing.
- An empty store of each party is made once, on disk, by the real command; each history begins from its bytes.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.failures import MissingNumber
from contracts.partitioning import partition_of
from tests.simulator.citizens import PARTITIONS
from tests.simulator.invariants import SOUND
from tests.simulator.machine import Killed, Program, require, violate
from tests.simulator.network import Network, UnsteadySource
from tests.simulator.outcomes import fold, number_of, overtaken, view_equals_fold


class MortalConnection(sqlite3.Connection):
    """A connection whose program may be killed before each statement."""

    program: Program | None = None

    def execute(self, statement: str, parameters: Any = ()) -> sqlite3.Cursor:
        """Reach the point before the statement, then execute it."""
        if self.program is not None:
            self.program.reach("at a statement of the receiver")
        return super().execute("SELECT 1" if statement == "VACUUM" else statement, parameters)


@lru_cache(maxsize=64)
def empty_store(party: str) -> bytes:
    """The bytes of a new store of `party`."""
    with tempfile.TemporaryDirectory(prefix="simulator-") as directory:
        path = Path(directory) / "store.db"
        PartyStore.create(path, party).close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            return connection.serialize()


class Receiver:
    """One party's receiver. `advance` starts it where it was killed."""

    def __init__(self, network: Network, party: str, content: bytes) -> None:
        self.party = party
        self.has_lost_something = False
        self._network = network
        self._connection = _opened(content)
        self.program = Program(f"receiver {party}")
        self.store = PartyStore(self._connection, party, writable=True)
        self._subscription: Subscription | None = None
        self.begin()

    def begin(self) -> None:
        """Start the program, from what is stored."""
        self._connection.program = None
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self.program = Program(self.program.name)
        self.store = PartyStore(self._connection, self.party, writable=True)
        source = UnsteadySource(self.program, self._network, self.party)
        self._subscription = Subscription(self.party, source, self.store, clock=lambda: 0.0)

    def lose(self, content: bytes) -> None:
        """Go on from other content: an empty store, an old copy, or what it has, where only records were lost."""
        self._connection.close()
        self._connection = _opened(content)
        self.has_lost_something = True
        self.begin()

    def advance(self) -> int:
        """Handle one poll; return how many records it held, -1 where the program was killed meanwhile.

        0 also where it stands at a gap, after something was lost.
        """
        if self.program.killed_at:
            self.begin()
        assert self._subscription is not None
        filling = self.store.filling()
        self._connection.program = self.program
        try:
            return self._subscription.advance(0.0)
        except Killed:
            return -1
        except MissingNumber as missing:
            require(self.has_lost_something, SOUND, f"receiver {self.party}: {missing}")
            return 0
        except Exception as error:
            violate(SOUND, f"receiver {self.party}: {type(error).__name__}: {error}")
        finally:
            self._connection.program = None
            if not self._connection.in_transaction:  # what a killed program has not committed was never stored
                self._judge_whole(set(filling) - set(self.store.filling()))

    def _judge_whole(self, partitions: Iterable[int]) -> None:
        for partition in sorted(partitions):
            position = self.store.positions()[partition]
            log = self._network.broker.log(self._network.names.output(self.party), partition)
            view = [
                event for event in self.store.visible() if partition_of(event.key.encode(), PARTITIONS) == partition
            ]
            # Where a sender began again, numbers lie before this place that it has lost and will read again behind it.
            read = [each for each in log[: position.next_offset] if number_of(each) <= position.last_number]
            view_equals_fold(self.party, view, fold(read)[0], unsteady=overtaken(read))

    def content(self) -> bytes:
        """The whole database."""
        return self._connection.serialize()

    def close(self) -> None:
        """Release the database."""
        self._connection.close()


def _opened(content: bytes) -> MortalConnection:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=MortalConnection)
    connection.deserialize(content)
    connection.execute("PRAGMA secure_delete = ON")
    return connection


def receivers(network: Network, parties: Iterable[str]) -> dict[str, Receiver]:
    """A receiver with an empty store for each party."""
    return {party: Receiver(network, party, empty_store(party)) for party in parties}

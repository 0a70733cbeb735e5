"""A fault at each statement of a batch, as "failed and lost" and as "failed but kept": rows and position agree."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from consumers.store import PartyStore
from consumers.subscription import Subscription
from tests.consumers.histories import drain, seen
from tests.consumers.simulated_topic import KEYS, SimulatedTopic, name

AT = 1_736_150_400_000
IMPRISONED = {"occurredAt": AT, "institution": "PRI"}
Faults = dict[str, int]


class FaultyConnection(sqlite3.Connection):
    """Fails at statement number `at` (counted over all connections), before or after it took effect."""

    at = -1
    after = False
    counted = 0

    def execute(self, statement: str, *arguments: Any) -> sqlite3.Cursor:
        kind = FaultyConnection
        kind.counted += 1
        hit = kind.counted - 1 == kind.at
        if hit and not kind.after:
            raise sqlite3.OperationalError("simulated: failed and lost")
        cursor = super().execute(statement, *arguments)
        if hit:
            raise sqlite3.OperationalError("simulated: failed but kept")
        return cursor


def arm(at: int, after: bool) -> None:
    FaultyConnection.at, FaultyConnection.after, FaultyConnection.counted = at, after, 0


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = sqlite3.connect

    def connect(path: Any, **options: Any) -> sqlite3.Connection:
        return plain(path, factory=FaultyConnection, **options)

    monkeypatch.setattr(sqlite3, "connect", connect)
    arm(-1, False)


def first_batch(topic: SimulatedTopic) -> None:
    topic.disclose(KEYS[0], name("e1"), "ImprisonmentStarted", IMPRISONED)
    topic.disclose(KEYS[1], name("e2"), "ImprisonmentStarted", IMPRISONED)


def second_batch(topic: SimulatedTopic) -> None:
    topic.retract(KEYS[0], name("e1"), "ImprisonmentStarted")
    topic.disclose(KEYS[1], name("e2"), "ImprisonmentStarted", IMPRISONED | {"earliestParole": 20_395})
    topic.disclose(KEYS[2], name("e3"), "ImprisonmentStarted", IMPRISONED)


def state(store: PartyStore) -> tuple[Any, Any, Any]:
    return (seen(store), store.view_lines(), store.positions())


def run_with_fault(path: Path, at: int, after: bool) -> tuple[bool, Any, Any, Any]:
    """Return whether the fault struck, and the state before, right after it (opened again), and in the end."""
    topic = SimulatedTopic()
    first_batch(topic)
    store = PartyStore.create(path, "PRI")
    drain(Subscription("PRI", topic, store))
    before = state(store)
    second_batch(topic)
    subscription = Subscription("PRI", topic, store)
    subscription._spans = subscription._start()
    arm(at, after)
    # A fault while the log is emptied is no fault of the batch: that is put off.
    with suppress(sqlite3.OperationalError):
        subscription.advance(0)
    struck = FaultyConnection.counted > at >= 0
    arm(-1, False)
    # The process dies: nothing is tidied up, an open transaction is lost.
    store._connection.close()
    with PartyStore.open(path, "PRI") as again:
        between = state(again)
        drain(Subscription("PRI", topic, again))
        return struck, before, between, state(again)


@pytest.mark.usefixtures("faulty")
@pytest.mark.parametrize("after", [False, True], ids=["failed and lost", "failed but kept"])
def test_rows_view_and_positions_move_together_whatever_statement_fails(tmp_path: Path, after: bool) -> None:
    _, before, _, undisturbed = run_with_fault(tmp_path / "undisturbed.db", -1, False)
    outcomes = set()
    at = 0
    while True:
        struck, _, between, end = run_with_fault(tmp_path / f"{after}-{at}.db", at, after)
        if not struck:
            break
        assert between in (before, undisturbed), f"half a batch after a fault at statement {at}"
        assert end == undisturbed, f"fault at statement {at}"
        outcomes.add("kept" if between == undisturbed else "lost")
        at += 1
    assert at > 15
    assert outcomes == {"kept", "lost"}


@pytest.mark.usefixtures("faulty")
def test_a_failed_commit_leaves_the_open_store_usable(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    first_batch(topic)
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        arm(4, False)
        with pytest.raises(sqlite3.OperationalError):
            subscription.advance(0)
        arm(-1, False)
        drain(subscription)
        assert len(store.visible()) == 2
        assert subscription.repeats == 0

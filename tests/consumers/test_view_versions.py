"""A view built anew beside the live one: no failed read, no mixture, no repeated notice, nothing left of the gone."""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers import store as store_module
from consumers.board import board_of
from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.views import choice, prison
from consumers.views.base import View
from contracts.civil_time import zone_of
from contracts.failures import FencedOff
from tests.consumers.histories import Action, Advance, Model, Reopen, actions, drain
from tests.consumers.simulated_topic import KEYS, SimulatedTopic, name
from tests.consumers.test_store import bytes_on_disk
from tests.consumers.test_store_against_model import from_scratch

AT = 1_736_150_400_000
A_DAY = 20_395


@dataclasses.dataclass(frozen=True)
class OtherCode(View):
    """The release board as other code makes it: it tells the institution in lower case."""

    @property
    def digest(self) -> str:
        return "other code"


def _fold_otherwise(events: Any) -> Any:
    line = prison.VIEW.fold(events)
    return line and dict(line) | {"institution": str(line.get("institution")).lower()}


OTHER = OtherCode("prison", prison.VIEW.columns, prison.VIEW.event_types, _fold_otherwise)


def imprison(topic: SimulatedTopic, citizen: int, institution: str = "PRI") -> None:
    payload = {"occurredAt": AT, "institution": institution}
    topic.disclose(KEYS[citizen], name("e", citizen), "ImprisonmentStarted", payload)


def institutions(store: PartyStore) -> list[str]:
    return [line["institution"] for line in store.view_lines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pri.db"


@pytest.fixture
def one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_FOLDED_AT_ONCE", 1)


def with_other_code(path: Path) -> PartyStore:
    """The store as a program of other code opens it to rebuild."""
    store = PartyStore.open_for_rebuilding(path, "PRI")
    store.view = OTHER
    store._versions._view = OTHER
    return store


def test_a_rebuild_makes_a_new_version_and_leaves_nothing_of_the_old(path: Path) -> None:
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        imprison(topic, 0)
        drain(Subscription("PRI", topic, store))
        store._connection.execute("UPDATE view_prison_1 SET institution = 'damaged'")
        with PartyStore.open_for_rebuilding(path, "PRI") as beside:
            assert list(beside.rebuild()) == [1]
        (live,) = store.view_status()
        assert (live.version.number, live.rows, live.waiting, live.stale) == (2, 1, 0, False)
        assert dict(live.version.built_from) == dict(Subscription("PRI", topic, store).numbers())
        assert institutions(store) == ["PRI"]
        assert store.erasure_pending, "what the dropped version left is erased by the subscription"
        tables = store._connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'view_prison*'").fetchall()
        assert tables == [("view_prison_2",)]


@pytest.mark.usefixtures("one_at_a_time")
def test_what_comes_and_goes_during_a_rebuild_is_in_the_new_version(path: Path) -> None:
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store, PartyStore.open_for_rebuilding(path, "PRI") as beside:
        subscription = Subscription("PRI", topic, store)
        for citizen in range(4):
            imprison(topic, citizen)
        drain(subscription)
        steps = beside.rebuild()
        for _ in range(3):
            next(steps)
        imprison(topic, 0, "dk.kf.vestre.PRI")
        topic.retract(KEYS[1], name("e", 1), "ImprisonmentStarted")
        imprison(topic, 5)
        drain(subscription)
        live, beside_it = store.view_status()
        assert (live.version.live, beside_it.version.live, live.rows) == (True, False, 4)
        before = store.view_lines()
        for _ in steps:
            assert store.view_lines() == before
        assert store.view_lines() == before
        assert [one.version.number for one in store.view_status()] == [2]
        assert [line["key"] for line in before] == sorted(KEYS[citizen] for citizen in (0, 2, 3, 5))


@pytest.mark.usefixtures("one_at_a_time")
def test_a_retraction_during_a_rebuild_is_gone_from_both_versions_at_once(path: Path) -> None:
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        imprison(topic, 0, "CANARYPRI")
        imprison(topic, 1)
        drain(subscription)
        beside = PartyStore.open_for_rebuilding(path, "PRI")
        steps = beside.rebuild()
        for _ in range(3):
            next(steps)
        stored = store._connection.execute("SELECT institution FROM view_prison_2").fetchall()
        assert ("CANARYPRI",) in stored, "both versions hold the line when the retraction comes"
        topic.retract(KEYS[0], name("e", 0), "ImprisonmentStarted")
        drain(subscription)
        del steps
        beside.close()
        assert b"CANARYPRI" not in bytes_on_disk(path)


@pytest.mark.usefixtures("one_at_a_time")
def test_a_rebuild_that_dies_leaves_the_live_version_and_the_next_one_takes_its_place(path: Path) -> None:
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        for citizen in range(3):
            imprison(topic, citizen)
        drain(Subscription("PRI", topic, store))
        before = store.view_lines()
        with PartyStore.open_for_rebuilding(path, "PRI") as dying:
            dead = dying.rebuild()
            next(dead)
            next(dead)
            assert store.view_lines() == before
            with PartyStore.open_for_rebuilding(path, "PRI") as second:
                list(second.rebuild())
            with pytest.raises(FencedOff, match="another build"):
                list(dead)
        assert store.view_lines() == before
        assert [(one.version.number, one.rows) for one in store.view_status()] == [(3, 3)]


def test_a_reader_during_rebuilds_sees_one_version_or_the_other_and_never_fails(path: Path) -> None:
    """Two programs of different code take turns in rebuilding while a reader reads without pause."""
    topic = SimulatedTopic()
    for citizen in range(len(KEYS)):
        imprison(topic, citizen)
    with PartyStore.create(path, "PRI") as store:
        drain(Subscription("PRI", topic, store))
    ours, theirs = ["PRI"] * len(KEYS), ["pri"] * len(KEYS)
    stop, seen, failures = threading.Event(), [], []

    def read() -> None:
        with PartyStore.open_for_reading(path, "PRI") as plain, PartyStore.open_for_reading(path, "PRI") as other:
            other.view = OTHER
            other._versions._view = OTHER
            while not stop.is_set():
                try:
                    seen.append((institutions(plain), institutions(other)))
                except Exception as error:
                    failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(6):
            with with_other_code(path) as store:
                list(store.rebuild())
            with PartyStore.open_for_rebuilding(path, "PRI") as store:
                list(store.rebuild())
    finally:
        stop.set()
        reader.join()
    assert failures == []
    assert len(seen) > 3
    assert all(lines == (ours, theirs) for lines in seen)


@pytest.mark.usefixtures("one_at_a_time")
def test_a_busy_subscription_and_rebuilds_beside_it_both_get_on(path: Path) -> None:
    topic, stop, failures = SimulatedTopic(), threading.Event(), []
    PartyStore.create(path, "PRI").close()

    def receive() -> None:
        rounds = 0
        try:
            with PartyStore.open(path, "PRI") as store:
                subscription = Subscription("PRI", topic, store)
                while not stop.wait(0.01):  # as long as a poll takes
                    rounds += 1
                    for citizen in range(len(KEYS)):
                        imprison(topic, citizen, f"P{rounds}")
                    topic.retract(KEYS[rounds % len(KEYS)], name("e", rounds % len(KEYS)), "ImprisonmentStarted")
                    subscription.advance(0)
                drain(subscription)
        except Exception as error:
            failures.append(error)

    receiver = threading.Thread(target=receive)
    receiver.start()
    try:
        with PartyStore.open_for_rebuilding(path, "PRI") as beside:
            for _ in range(2):
                list(beside.rebuild_beside())
    finally:
        stop.set()
        receiver.join()
    assert failures == []
    with PartyStore.open_for_reading(path, "PRI") as reader:
        (live,) = reader.view_status()
        assert (live.version.number, live.waiting) == (3, 0)
        shown = {line["key"]: line["institution"] for line in reader.view_lines()}
        assert shown == {event.key: event.payload["institution"] for event in reader.visible()}
        assert len(shown) == len(KEYS) - 1


def test_a_subscription_whose_view_was_rebuilt_by_other_code_goes_on_and_purges(path: Path) -> None:
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        imprison(topic, 0, "CANARYPRI")
        imprison(topic, 1)
        drain(subscription)
        with with_other_code(path) as newer:
            list(newer.rebuild())
            assert sorted(institutions(newer)) == ["canarypri", "pri"]
            topic.retract(KEYS[0], name("e", 0), "ImprisonmentStarted")
            imprison(topic, 2)
            drain(subscription)
            assert institutions(newer) == ["pri", "pri"], "the reader folds who waits for itself"
            (live,) = newer.view_status()
            assert (live.rows, live.waiting, live.stale) == (1, 2, False)
            (live,) = store.view_status()
            assert live.stale
        assert institutions(store) == ["PRI", "PRI"]
        assert b"canarypri" not in bytes_on_disk(path).lower()
    with PartyStore.open(path, "PRI") as store:
        (live,) = store.view_status()
        assert (live.rows, live.waiting, live.stale) == (2, 0, False)


def test_a_change_number_counts_what_was_sent_and_never_a_rebuild(path: Path) -> None:
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        imprison(topic, 0)
        imprison(topic, 1)
        drain(subscription)
        lines, count, last = store.numbered_lines()
        assert (len(lines), count, sorted(last.values())) == (2, 2, [1, 2])
        list(store.rebuild())
        with with_other_code(path) as other:
            list(other.rebuild())
        assert store.numbered_lines()[1:] == (count, last)
        imprison(topic, 0)
        topic.disclose(KEYS[0], name("x"), "MotivationTalkHeld", {"occurredAt": AT})
        list(store.rebuild())
        drain(subscription)
        assert store.numbered_lines()[1:] == (count, last), "the line did not change"
        imprison(topic, 0, "dk.kf.vestre.PRI")
        topic.retract(KEYS[1], name("e", 1), "ImprisonmentStarted")
        drain(subscription)
        assert store.numbered_lines()[1:] == (3, {KEYS[0]: 3})


@pytest.mark.parametrize("older", [1, 2])
def test_a_store_of_a_format_before_keeps_what_it_received(path: Path, older: int) -> None:
    topic = SimulatedTopic()
    imprison(topic, 0)
    with PartyStore.create(path, "PRI") as store:
        drain(Subscription("PRI", topic, store))
        before = (store.view_lines(), store.positions())
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("ALTER TABLE position DROP COLUMN is_filling")
    if older == 1:
        for table in ("view_version", "waiting", "line_change", "change_count", "view_prison_1"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("CREATE TABLE view_prison (key TEXT PRIMARY KEY)")
        connection.execute("ALTER TABLE party_store ADD COLUMN view_digest TEXT NOT NULL DEFAULT 'older'")
    connection.execute(f"PRAGMA user_version = {older}")
    connection.close()
    with PartyStore.open(path, "PRI") as store:
        assert (store.view_lines(), store.positions()) == before
        assert [(one.rows, one.waiting) for one in store.view_status()] == [(1, 0)]
        imprison(topic, 1)
        drain(Subscription("PRI", topic, store))
        assert len(store.view_lines()) == 2


@dataclasses.dataclass(frozen=True)
class StartRebuild:
    other_code: bool


@dataclasses.dataclass(frozen=True)
class StepRebuild:
    steps: int


_rebuilds = st.one_of(st.builds(StartRebuild, st.booleans()), st.builds(StepRebuild, st.integers(1, 3)))


@st.composite
def histories_with_rebuilds(draw: st.DrawFn) -> list[Action | StartRebuild | StepRebuild]:
    history: list[Action | StartRebuild | StepRebuild] = []
    for action in draw(actions):
        history.append(action)
        history.extend(draw(st.lists(_rebuilds, max_size=2)))
    return history


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories_with_rebuilds())
def test_the_board_equals_a_fresh_fold_whatever_is_rebuilt_when(history: list[Any]) -> None:
    whole = store_module._FOLDED_AT_ONCE
    store_module._FOLDED_AT_ONCE = 1  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "party.db"
        topic, model = SimulatedTopic(), Model()
        store = PartyStore.create(path, "PRI")
        plain, other = PartyStore.open_for_rebuilding(path, "PRI"), with_other_code(path)
        steps: Any = iter(())
        subscription = Subscription("PRI", topic, store)
        zone = zone_of("DK")
        try:
            for number, action in enumerate([*history, Advance()]):
                if isinstance(action, StartRebuild):
                    steps = (other if action.other_code else plain).rebuild()
                elif isinstance(action, StepRebuild):
                    for _ in range(action.steps):
                        next(steps, None)
                elif isinstance(action, Reopen):
                    steps = iter(())
                    store.close()
                    store = PartyStore.open(path, "PRI")
                    subscription = Subscription("PRI", topic, store)
                else:
                    model.take(action, topic)
                if isinstance(action, Advance):
                    drain(subscription)
                    fresh = from_scratch(model, "PRI", Path(folder) / f"scratch-{number}.db")
                    assert store.view_lines() == fresh
                    shown = board_of(prison.VIEW, "PRI", store.view_lines(), A_DAY - 9, zone)
                    assert shown == board_of(prison.VIEW, "PRI", fresh, A_DAY - 9, zone)
                    assert set(store.numbered_lines()[2]) <= set(store.keys())
                    lower = [str(line["institution"]).lower() for line in fresh]
                    assert institutions(other) == lower
        finally:
            store_module._FOLDED_AT_ONCE = whole  # type: ignore[misc]
            for one in (store, plain, other):
                one.close()
    assert choice.view_of("PRI") is choice.VIEWS["prison"]

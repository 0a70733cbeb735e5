"""The file of a party's store: made once, refused when foreign, one writer, and nothing left of what is gone."""

from __future__ import annotations

import random
import sqlite3
import stat
from pathlib import Path

import pytest

from consumers import erasure, store_file
from consumers.store import Move, PartyStore, Position, store_path
from consumers.subscription import Subscription
from consumers.views import choice
from contracts.failures import CallerFailure, FencedOff, ForeignStore, NotFound
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import KEYS, SimulatedTopic, name

AT = 1_736_150_400_000


def test_a_store_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = store_path(tmp_path, "dk.kf.vestre.PRI")
    PartyStore.create(path, "dk.kf.vestre.PRI").close()
    assert path == tmp_path / "consumers" / "dk-kf-vestre-pri.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    with pytest.raises(CallerFailure, match="is there already"):
        PartyStore.create(path, "dk.kf.vestre.PRI")


def test_opening_never_makes_a_store(tmp_path: Path) -> None:
    for open_it in (PartyStore.open, PartyStore.open_for_reading):
        with pytest.raises(NotFound):
            open_it(tmp_path / "none.db", "PRI")
    assert list(tmp_path.iterdir()) == []


def test_what_is_foreign_is_refused(tmp_path: Path) -> None:
    PartyStore.create(tmp_path / "pri.db", "PRI").close()
    sqlite3.connect(tmp_path / "other.db").execute("CREATE TABLE party_store (party TEXT)").connection.commit()
    (tmp_path / "text.db").write_text("not a database at all, but long enough to be looked at as one" * 20)
    for open_it in (PartyStore.open, PartyStore.open_for_reading):
        with pytest.raises(ForeignStore, match=r"store of party `PRI`, expected `A\.SOC`"):
            open_it(tmp_path / "pri.db", "A.SOC")
        for other in ("other.db", "text.db"):
            with pytest.raises(ForeignStore, match="no party store"):
                open_it(tmp_path / other, "PRI")


def test_a_second_writer_is_fenced_off(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    with PartyStore.create(tmp_path / "s.db", "PRI") as one, PartyStore.open(tmp_path / "s.db", "PRI") as two:
        move = Move(0, None, Position(5, 5))
        one.apply([], [move])
        for stale in (move, Move(0, Position(4, 5), Position(6, 6)), Move(0, Position(5, 4), Position(6, 6))):
            with pytest.raises(FencedOff):
                two.apply([], [stale])
        assert two.positions() == {0: Position(5, 5)}
        topic.disclose(KEYS[0], name("e"), "CaseOpened", {"occurredAt": AT})


def test_the_durable_settings_hold(tmp_path: Path) -> None:
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        asked = {pragma: store._connection.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in
                 ("journal_mode", "synchronous", "secure_delete")}  # fmt: skip
    assert asked == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1}


def test_a_reader_looks_beside_the_writer_and_cannot_write(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    topic.disclose(KEYS[0], name("e"), "CaseOpened", {"occurredAt": AT})
    path = tmp_path / "s.db"
    with PartyStore.create(path, "PRI") as store, PartyStore.open_for_reading(path, "PRI") as reader:
        drain(Subscription("PRI", topic, store))
        assert [event.event_id for event in reader.visible()] == [name("e")]
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.apply([], [Move(0, None, Position(1, 1))])


def bytes_on_disk(path: Path) -> bytes:
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_what_is_gone_is_left_on_disk(tmp_path: Path, seed: int) -> None:
    """Many events in random order, long and short, so that pages split, move and merge before they are emptied."""
    draw = random.Random(seed)
    path = tmp_path / "s.db"
    topic = SimulatedTopic()
    store = PartyStore.create(path, "PRI")
    subscription = Subscription("PRI", topic, store)
    events = [(draw.choice(KEYS), name(seed, number)) for number in range(400)]
    for number, (key, event) in enumerate(events):
        address = f"CANARY-{number:04d}-" + "x" * draw.choice((0, 50, 900, 6_000 if number % 40 == 0 else 100))
        topic.disclose(key, event, "HousingSecured", {"occurredAt": AT, "address": address})
        if draw.random() < 0.1:
            drain(subscription)
    drain(subscription)
    assert bytes_on_disk(path).count(b"CANARY") >= 400
    kept = set(draw.sample(range(400), 10))
    order = [number for number in range(400) if number not in kept]
    draw.shuffle(order)
    for number in order:
        key, event = events[number]
        if number % 3:
            topic.retract(key, event, "HousingSecured")
        else:
            topic.disclose(key, event, "HousingSecured", {"occurredAt": AT})
    drain(subscription)
    left = bytes_on_disk(path)
    assert {int(part[:4]) for part in left.split(b"CANARY-")[1:]} == kept
    store.close()
    assert not path.with_name("s.db-wal").exists()
    assert {int(part[:4]) for part in path.read_bytes().split(b"CANARY-")[1:]} == kept


def test_a_busy_subscription_leaves_nothing_of_what_is_gone_in_the_log(tmp_path: Path) -> None:
    """The file as a whole is rewritten when there is nothing else to do, which may take long to come."""
    path = tmp_path / "s.db"
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        topic.disclose(KEYS[0], name("told"), "HousingSecured", {"occurredAt": AT, "address": "CANARY"})
        subscription.advance(0)
        assert b"CANARY" in bytes_on_disk(path)
        topic.retract(KEYS[0], name("told"), "HousingSecured")
        subscription.advance(0)
        assert b"CANARY" not in path.with_name("s.db-wal").read_bytes()


def test_what_leaves_a_views_line_leaves_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        topic.disclose(KEYS[0], name("e"), "ImprisonmentStarted", {"occurredAt": AT, "institution": "CANARYPRI"})
        drain(subscription)
        assert store.view_lines()[0]["institution"] == "CANARYPRI"
        topic.disclose(KEYS[0], name("e"), "ImprisonmentStarted", {"occurredAt": AT})
        drain(subscription)
        assert store.view_lines()[0]["institution"] is None
        assert b"CANARYPRI" not in bytes_on_disk(path)


def test_a_reader_that_holds_the_log_delays_the_erasure_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_file, "_BUSY_TIMEOUT_MS", 20)
    monkeypatch.setattr(erasure, "PAUSE_SECONDS_MAX", 0.0)
    monkeypatch.setattr(erasure, "PAUSE_SECONDS_MIN", 0.0)
    path = tmp_path / "s.db"
    topic = SimulatedTopic()
    with PartyStore.create(path, "PRI") as store:
        subscription = Subscription("PRI", topic, store)
        topic.disclose(KEYS[0], name("e"), "HousingSecured", {"occurredAt": AT, "address": "CANARY"})
        drain(subscription)
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM received").fetchall()
        topic.retract(KEYS[0], name("e"), "HousingSecured")
        drain(subscription)
        assert store.visible() == []
        pending = [store.erasure_pending]
        reader.close()
        assert subscription.advance(0) == 0
        pending.append(store.erasure_pending)
        assert pending == [True, False]
        assert b"CANARY" not in bytes_on_disk(path)


def test_a_crash_before_the_file_is_rewritten_is_made_good_at_the_next_quiet_moment(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    topic.disclose(KEYS[0], name("e"), "HousingSecured", {"occurredAt": AT, "address": "CANARY"})
    topic.retract(KEYS[0], name("e"), "HousingSecured")
    store = PartyStore.create(tmp_path / "s.db", "PRI")
    Subscription("PRI", topic, store).advance(0)
    assert store.erasure_pending
    store._connection.close()
    with PartyStore.open(tmp_path / "s.db", "PRI") as store:
        pending = [store.erasure_pending]
        drain(Subscription("PRI", topic, store))
        pending.append(store.erasure_pending)
        assert pending == [True, False]
        assert b"CANARY" not in bytes_on_disk(tmp_path / "s.db")


def test_a_view_is_folded_again_when_its_code_changed(tmp_path: Path) -> None:
    topic = SimulatedTopic()
    topic.disclose(KEYS[0], name("e"), "ImprisonmentStarted", {"occurredAt": AT, "institution": "PRI"})
    with PartyStore.create(tmp_path / "s.db", "PRI") as store:
        drain(Subscription("PRI", topic, store))
        before = store.view_lines()
        store._connection.execute("UPDATE view_prison_1 SET institution = 'stale'")
        store._connection.execute("UPDATE view_version SET digest = 'older'")
    with PartyStore.open_for_reading(tmp_path / "s.db", "PRI") as reader:
        assert reader.view_lines() == before
    with PartyStore.open(tmp_path / "s.db", "PRI") as store:
        assert store._connection.execute("SELECT institution FROM view_prison_2").fetchall() == [("PRI",)]
        assert store.view_lines() == before
        assert before[0]["institution"] == "PRI"
    assert choice.view_of("PRI") is choice.VIEWS["prison"]

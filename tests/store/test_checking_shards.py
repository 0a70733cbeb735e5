"""`check_store` on stores that real shards have filled: what somebody with the file in hand cannot hide in them."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.signatures import SigningKey
from hub.identity.pseudonyms import pseudonym
from hub.store.checking import KeyOf, MadeFor, StoreReport, check_store
from hub.store.keys import KeyStore
from hub.store.record_schemas import READABLE, WRITTEN_AS
from hub.store.records import BatchCommitted, case_stream
from hub.store.sqlite import open_for_reading
from tests.shard.harness import CASE, DAY_MS, OTHER_CASE, SECRET, ShardUnderTest, consent, imprisonment
from tests.shard.merging import LOSER, SAME_SHARD, WINNER, MergingShards, hour, imprisoned
from tests.shard.test_signatures import FIRST, SECOND, register, revoke

CONSENT = "d0000000-0000-4000-8000-00000000000{}"


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """Two citizens, each in custody and with a consent, of which others were told."""
    hub = ShardUnderTest(tmp_path)
    for place, case_id in enumerate((CASE, OTHER_CASE)):
        hub.enrol(case_id)
        custody = imprisonment(hub.now) | {"custodyId": f"c0000000-0000-4000-8000-00000000000{place}"}
        hub.state("PRI", "ImprisonmentStarted", custody, f"start {place}", case_id=case_id)
        given = consent(hub.now, ["CU"], ["B.SOC"]) | {"consentId": CONSENT.format(place)}
        hub.state("PRI", "ConsentGiven", given, f"given {place}", case_id=case_id)
        hub.settle()
        hub.tick(1)
    hub.tick(DAY_MS)
    hub.settle()
    return hub


def check(hub: ShardUnderTest) -> list[str]:
    reader = open_for_reading(hub.directory / "shard-0.db", hub.keys)
    with closing(reader):
        return check_store(0, reader, hub.key, MadeFor("test", 1)).faults


def harm(hub: ShardUnderTest, *statements: str) -> None:
    hub.store.close()
    with closing(sqlite3.connect(hub.directory / "shard-0.db")) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
        connection.commit()


def change(
    database: Path, stream: str, changed: Callable[[bytes], bytes], topic: str = "%", version: int | None = None
) -> None:
    """Change every row of a stream, of a class, of a version."""
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT rowid, state FROM stored_events WHERE originator_id = ? AND topic LIKE ? "
            "AND coalesce(?, originator_version) = originator_version",
            (stream, topic, version),
        ).fetchall()
        assert any(changed(state) != state for _, state in rows)
        for row, state in rows:
            connection.execute("UPDATE stored_events SET state = ? WHERE rowid = ?", (changed(state), row))
        connection.commit()


def test_stores_of_which_nothing_was_taken_are_whole(hub: ShardUnderTest) -> None:
    assert check(hub) == []
    hub.keys.destroy([case_stream(OTHER_CASE)])
    assert check(hub) == []


@pytest.mark.parametrize("erase", [False, True])
def test_the_removed_end_of_a_case_is_told_also_beside_an_erased_one(hub: ShardUnderTest, erase: bool) -> None:
    before = max(record.originator_version for record in hub.store.case_records(CASE))
    withdrawal = {"consentId": CONSENT.format(0), "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", withdrawal, "withdrawn")
    hub.settle()
    if erase:
        hub.keys.destroy([case_stream(OTHER_CASE)])
    assert check(hub) == []
    harm(hub, f"DELETE FROM stored_events WHERE originator_id = 'case:{CASE}' AND originator_version > {before}")
    assert any("`sent:B.SOC`" in fault for fault in check(hub))


def test_the_removed_end_of_an_erased_case_is_told(hub: ShardUnderTest) -> None:
    hub.keys.destroy([case_stream(CASE)])
    harm(hub, f"DELETE FROM stored_events WHERE originator_id = 'case:{CASE}' AND originator_version > 2")
    assert any("behind the end of a case that cannot be read" in fault for fault in check(hub))


@pytest.mark.parametrize("erase", [False, True])
def test_a_removed_case_is_told_also_beside_an_erased_one(hub: ShardUnderTest, erase: bool) -> None:
    if erase:
        hub.keys.destroy([case_stream(OTHER_CASE)])
    harm(hub, f"DELETE FROM stored_events WHERE originator_id = 'case:{CASE}'")
    assert any("`sent:B.SOC`" in fault for fault in check(hub))


def test_numbers_that_lead_to_another_decision_are_told(hub: ShardUnderTest) -> None:
    hub.store.close()
    swapped = (CASE.encode(), OTHER_CASE.encode())
    change(hub.directory / "shard-0.db", "sent:B.SOC", lambda state: state.replace(*swapped))
    assert any("`sent:B.SOC` leads to other decisions" in fault for fault in check(hub))


def test_another_text_of_the_rules_under_the_same_adoption_is_told(hub: ShardUnderTest) -> None:
    hub.store.close()
    change(hub.directory / "shard-0.db", "rules", lambda state: state.replace(b"S1", b"S9"))
    assert any("`rules` lacks the text of digest" in fault for fault in check(hub))


def test_a_key_that_leads_to_another_citizen_is_told_also_of_a_party_that_has_stated_nothing(
    hub: ShardUnderTest,
) -> None:
    harm(hub, f"UPDATE case_keys SET case_id = '{OTHER_CASE}' WHERE party = 'KIF' AND case_id = '{CASE}'")
    assert any("`case_keys` leads `1` keys to other cases" in fault for fault in check(hub))


def test_a_removed_key_is_told_of_a_party_that_was_only_told_something(hub: ShardUnderTest) -> None:
    harm(hub, f"DELETE FROM case_keys WHERE party = 'B.SOC' AND case_id = '{CASE}'")
    assert any("`case_keys` lacks `1` rows" in fault for fault in check(hub))


@pytest.mark.parametrize("erase", [False, True])
def test_digests_of_events_that_are_not_there_are_told(hub: ShardUnderTest, erase: bool) -> None:
    """They make the hub take such an event for a repeat, or park it, and never admit it."""
    spare = range(1)
    if erase:
        facts = [record for record in hub.store.case_records(OTHER_CASE) if type(record).__name__ == "FactRecorded"]
        hub.keys.destroy([case_stream(OTHER_CASE)])
        spare = range(len(facts) - 1)  # two of them, at least, have digests of their own
    assert check(hub) == []
    name = "'PRI/00000000-0000-4000-8000-00000000000{}'"
    harm(hub, *(f"INSERT INTO event_digests VALUES ({name.format(each)}, x'00')" for each in spare))
    assert any("`event_digests` has" in fault for fault in check(hub))


# --- keys of the key store


def without_key(hub: ShardUnderTest, name: str) -> StoreReport:
    """Lose one data key, as a key store does that went back to a copy from before it was made; look the store over."""
    hub.store.close()
    hub.keys.close()
    with closing(sqlite3.connect(hub.directory / "keys.db")) as connection:
        assert connection.execute("DELETE FROM data_keys WHERE name = ?", (name,)).rowcount == 1
        connection.commit()
    with closing(KeyStore.in_file(hub.directory / "keys.db", SECRET)) as keys:
        reader = open_for_reading(hub.directory / "shard-0.db", keys)
        with closing(reader):
            return check_store(0, reader, hub.key)


def test_a_lost_key_is_no_erasure(hub: ShardUnderTest) -> None:
    report = without_key(hub, case_stream(CASE))
    (fault,) = report.faults
    assert f"`case:{CASE}` `1`" in fault
    assert "restore the key store" in fault
    assert report.erased == 0


def test_the_lost_key_of_a_record_that_is_parked_and_open_is_told(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"sentenceDays": 1}, "start 0")
    hub.settle()
    (parked,) = hub.parked()
    (fault,) = without_key(hub, f"shard:0/parked:PRI/{parked.originator_version}").faults
    assert "row `parked:PRI` `1`" in fault


# --- signing keys


@pytest.fixture
def revoked(tmp_path: Path) -> ShardUnderTest:
    """A party's signing key was registered, used, and revoked."""
    hub = ShardUnderTest(tmp_path, control_key=SigningKey(b"\x09" * 32))
    hub.enrol()
    hub.settle()
    register(hub, FIRST)
    hub.settle()
    hub.sign("A.SOC", FIRST)
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "opened")
    hub.settle()
    hub.tick(1_000)
    revoke(hub, FIRST)
    hub.settle()
    assert [each.change for each in hub.store.signing_keys("A.SOC")] == ["registered", "revoked"]
    assert check(hub) == []
    return hub


def test_a_key_put_in_place_of_a_registered_one_is_told(revoked: ShardUnderTest) -> None:
    revoked.store.close()
    swapped = (FIRST.public, SECOND.public)
    change(revoked.directory / "shard-0.db", "keys:A.SOC", lambda state: state.replace(*swapped))
    assert any("row `keys:A.SOC` `1` has another public key" in fault for fault in check(revoked))


def test_a_removed_registration_of_a_key_with_which_facts_were_signed_is_told(revoked: ShardUnderTest) -> None:
    harm(revoked, "DELETE FROM stored_events WHERE originator_id = 'keys:A.SOC'")
    assert any(f"`keys:A.SOC` lacks key `{FIRST.id}`" in fault for fault in check(revoked))


# --- seals of batches


def test_the_removed_revocation_of_a_key_is_told(revoked: ShardUnderTest) -> None:
    """It is the last row of its stream, and no other row speaks of it."""
    harm(revoked, "DELETE FROM stored_events WHERE originator_id = 'keys:A.SOC' AND originator_version = 2")
    assert any("does not hold the rows that were stored with it" in fault for fault in check(revoked))


def test_a_key_registered_in_place_of_another_one_is_told(revoked: ShardUnderTest) -> None:
    revoked.store.close()

    def swapped(state: bytes) -> bytes:
        return state.replace(FIRST.public, SECOND.public).replace(FIRST.id.encode(), SECOND.id.encode())

    change(revoked.directory / "shard-0.db", "keys:A.SOC", swapped)
    assert any("does not hold the rows that were stored with it" in fault for fault in check(revoked))


def test_a_batch_whose_seal_was_taken_out_is_told(hub: ShardUnderTest) -> None:
    written = READABLE["BatchCommitted", 20]

    def unsealed(state: bytes) -> bytes:
        record = written.decode("batches", 1, state[2:])
        return (7).to_bytes(2, "big") + READABLE["BatchCommitted", 7].encode(record)

    hub.store.close()
    database = hub.directory / "shard-0.db"
    change(database, "batches", unsealed, version=1)
    (fault,) = check(hub)
    assert "batch `2` does not hold" in fault
    change(database, "batches", unsealed, version=3)
    assert any("batch `3` does not hold" in fault for fault in check(hub))


def test_a_store_from_before_there_were_seals_is_whole_and_goes_on_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setitem(WRITTEN_AS, BatchCommitted, READABLE["BatchCommitted", 7])
        hub = ShardUnderTest(tmp_path)
        hub.enrol()
        hub.settle()
    assert not hub.store.batch(hub.store.head().batch).seal
    assert check(hub) == []
    hub.restart()
    hub.tick(1_000)
    hub.settle()
    assert hub.store.batch(hub.store.head().batch).seal
    assert check(hub) == []


def test_seals_hold_where_a_newer_schema_of_batches_exists(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = replace(WRITTEN_AS[BatchCommitted], number=999)
    monkeypatch.setitem(READABLE, ("BatchCommitted", newer.number), newer)
    monkeypatch.setitem(WRITTEN_AS, BatchCommitted, newer)
    assert check(hub) == []
    hub.tick(DAY_MS)
    hub.settle()
    assert check(hub) == []
    harm(hub, "DELETE FROM stored_events WHERE originator_id = 'batches' AND originator_version = 2")
    assert any("batch `3` does not hold" in fault for fault in check(hub))


def test_a_damaged_batch_leaves_the_next_one_uncompared_and_the_later_ones_compared(hub: ShardUnderTest) -> None:
    hub.tick(DAY_MS)
    hub.settle()
    hub.store.close()
    database = hub.directory / "shard-0.db"
    change(database, "batches", lambda state: state[:-1], version=2)
    damaged, uncompared = check(hub)
    assert "row `batches` `2`" in damaged
    assert "batch `3` cannot be compared" in uncompared
    change(database, "batches", lambda state: state[:-1] + bytes([state[-1] ^ 1]), version=4)
    assert any("batch `4` does not hold" in fault for fault in check(hub))


# --- two shards


def check_two(hub: MergingShards) -> list[str]:
    key_of: KeyOf = lambda party, case_id: pseudonym(SECRET, case_id, party, 0, 2)  # noqa: E731
    reader = open_for_reading(hub.directory / "shard-0.db", hub.keys)
    with closing(reader):
        return check_store(0, reader, key_of, MadeFor("test", 2)).faults


@pytest.fixture
def two(tmp_path: Path) -> MergingShards:
    """Two cases of shard 0 were merged; shard 1 has had nothing to do."""
    hub = MergingShards(tmp_path, SAME_SHARD)
    imprisoned(hub, LOSER)
    hub.settle()
    hub.merge()
    hour(hub)
    hub.settle()
    for store in hub.stores:
        store.close()
    assert check_two(hub) == []
    return hub


def test_a_changed_step_of_a_merge_is_told(two: MergingShards) -> None:
    stream = f"case:{WINNER}"
    flipped: Callable[[bytes], bytes] = lambda state: state[:-1] + bytes([state[-1] ^ 1])  # noqa: E731
    change(two.directory / "shard-0.db", stream, flipped, "MergeStepped")
    assert any(f"row `{stream}`" in fault for fault in check_two(two))


def test_the_file_of_another_shard_is_told(two: MergingShards) -> None:
    for suffix in ("-wal", "-shm"):
        (two.directory / f"shard-0.db{suffix}").unlink(missing_ok=True)
    shutil.copy(two.directory / "shard-1.db", two.directory / "shard-0.db")
    assert any("the store is for shard `1`, expected `0`" in fault for fault in check_two(two))


@pytest.mark.parametrize(
    ("made_for", "told"), [(MadeFor("other", 1), "for world `test`"), (MadeFor("test", 2), "for partitions `1`")]
)
def test_a_store_of_another_world_is_told(hub: ShardUnderTest, made_for: MadeFor, told: str) -> None:
    (fault,) = check_store(0, hub.store, hub.key, made_for).faults
    assert told in fault

"""What only a server can get wrong: rights, unsafe settings, ends at the worst moment, another owner at work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from contracts.failures import BadSetting, FencedOff, ForeignStore, StoreUnavailable
from deploy.local_postgres import LocalPostgres
from hub.store.checking import check_store
from hub.store.database_place import DatabasePlace
from hub.store.places import DatabaseOwner, place_of
from hub.store.postgres import create_store, open_store, schema_of
from hub.store.postgres_datastore import connect
from hub.store.shard_store import DatabaseShardStore
from tests.store.builders import IDENTITY, MASTER_KEY, batch, enrolled, fact, full_batch, parked, resolved
from tests.store.cutting_proxy import CuttingProxy
from tests.store.postgres_stores import KEYS, ROLE, SHARDS, PostgresStores

pytestmark = pytest.mark.postgres


@pytest.fixture
def stores(local_postgres: LocalPostgres) -> PostgresStores:
    return PostgresStores(local_postgres)


@pytest.fixture
def proxy(local_postgres: LocalPostgres) -> Iterator[CuttingProxy]:
    with CuttingProxy(local_postgres.port) as cutting:
        yield cutting


@pytest.fixture
def proxied(stores: PostgresStores, proxy: CuttingProxy) -> DatabaseShardStore:
    stores.port = proxy.port
    return stores.create()


@pytest.mark.parametrize(
    "forbidden",
    [
        "UPDATE stored_events SET state = ''",
        "DELETE FROM stored_events",
        "TRUNCATE stored_events",
        "UPDATE event_digests SET digest = ''",
        "DELETE FROM event_digests",
        "UPDATE store_identity SET value = 'other'",
        "DELETE FROM tracking",
        "DELETE FROM send_positions",
        "DELETE FROM case_keys",
        "ALTER TABLE stored_events ADD COLUMN more text",
        "DROP TABLE stored_events",
        "CREATE TABLE mine (one int)",
        "CREATE TRIGGER mine BEFORE INSERT ON stored_events EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ],
)
def test_the_hubs_role_can_change_nothing_that_is_kept(stores: PostgresStores, forbidden: str) -> None:
    stores.create().commit(full_batch())
    before = stores.content()
    with (
        psycopg.connect(stores.url, autocommit=True, options="-c search_path=shard_3") as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(forbidden.encode())
    assert stores.content() == before


@pytest.mark.parametrize("right", ["UPDATE", "DELETE", "TRUNCATE"])
@pytest.mark.parametrize("table", ["stored_events", "event_digests"])
def test_a_role_with_rights_over_stored_rows_is_refused(stores: PostgresStores, right: str, table: str) -> None:
    stores.create().close()
    with stores.tampering() as owner:
        owner.execute(f"GRANT {right} ON {table} TO {ROLE}".encode())
    with pytest.raises(BadSetting, match=f"may {right} on `{table}`"):
        stores.open()


def test_the_owner_of_the_tables_is_refused_as_a_worker(stores: PostgresStores, local_postgres: LocalPostgres) -> None:
    stores.create().close()
    with pytest.raises(BadSetting, match="superuser"):
        open_store(local_postgres.url(SHARDS), IDENTITY, stores.keys)


@pytest.mark.parametrize(("setting", "value"), [("fsync", "off"), ("full_page_writes", "off")])
def test_a_server_that_could_lose_a_commit_is_refused(
    stores: PostgresStores, local_postgres: LocalPostgres, setting: str, value: str
) -> None:
    stores.create().close()
    with psycopg.connect(local_postgres.url(), autocommit=True) as owner:
        owner.execute(f"ALTER SYSTEM SET {setting} = {value}".encode())
        try:
            owner.execute("SELECT pg_reload_conf()")
            _wait_for(owner, setting, value)
            with pytest.raises(BadSetting, match=f"`{setting}` is `{value}`"):
                stores.open()
        finally:
            owner.execute(f"ALTER SYSTEM RESET {setting}".encode())
            owner.execute("SELECT pg_reload_conf()")
            _wait_for(owner, setting, "on")
    stores.open().close()


def _wait_for(connection: psycopg.Connection[tuple[object, ...]], setting: str, value: str) -> None:
    deadline = time.monotonic() + 10
    while connection.execute("SELECT current_setting(%s)", (setting,)).fetchone() != (value,):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_commits_reach_the_disk_whatever_the_server_would_do_by_default(
    stores: PostgresStores, local_postgres: LocalPostgres
) -> None:
    with psycopg.connect(local_postgres.url(SHARDS), autocommit=True) as owner:
        owner.execute(f"ALTER ROLE {ROLE} SET synchronous_commit = off".encode())
        try:
            store = stores.create()
            ((value, timeout),) = store._recorder.select(
                "SELECT current_setting('synchronous_commit'), current_setting('lock_timeout')"
            )
        finally:
            owner.execute(f"ALTER ROLE {ROLE} RESET synchronous_commit".encode())
    assert (value, timeout) == ("on", "10s")


def test_a_commit_whose_request_was_lost_is_told_and_can_be_tried_again(
    proxied: DatabaseShardStore, proxy: CuttingProxy
) -> None:
    proxy.cut_at(b"COMMIT", forwarded=False)
    with pytest.raises(StoreUnavailable):
        proxied.commit(full_batch())
    assert proxy.cuts == 1
    assert proxied.head().batch == 0
    proxied.commit(full_batch())
    assert proxied.head().batch == 1


def test_a_commit_whose_answer_was_lost_is_success_and_stored_once(
    proxied: DatabaseShardStore, proxy: CuttingProxy
) -> None:
    proxy.cut_at(b"COMMIT", forwarded=True)
    proxied.commit(full_batch())
    assert proxy.cuts == 1
    assert proxied.head().batch == 1
    assert len(list(proxied.case_records("case-1"))) == 3


def test_a_lost_commit_behind_which_another_owner_stored_is_fenced_off(
    stores: PostgresStores, proxied: DatabaseShardStore, proxy: CuttingProxy
) -> None:
    stores.port = stores.server.port
    other = stores.open()
    proxy.cut_at(b"COMMIT", forwarded=False)
    with pytest.raises(StoreUnavailable):
        proxied.commit(full_batch(owner="owner-1"))
    other.commit(full_batch(owner="owner-2"))
    with pytest.raises(FencedOff):
        proxied.commit(full_batch(owner="owner-1"))


@pytest.mark.parametrize("word", [b"LOCK TABLE", b"COPY stored_events", b"INSERT INTO case_keys", b"event_digests"])
def test_a_connection_cut_anywhere_in_a_batch_leaves_nothing_of_it(
    stores: PostgresStores, proxied: DatabaseShardStore, proxy: CuttingProxy, word: bytes
) -> None:
    before = stores.content()
    proxy.cut_at(word, forwarded=True)
    with pytest.raises(StoreUnavailable):
        proxied.commit(full_batch())
    assert proxy.cuts == 1
    assert stores.content() == before
    proxied.commit(full_batch())
    assert proxied.head().batch == 1


def test_what_was_committed_outlives_a_server_that_ends_at_once(
    stores: PostgresStores, local_postgres: LocalPostgres
) -> None:
    store = stores.create()
    store.commit(full_batch())
    local_postgres.stop_at_once()
    with pytest.raises(StoreUnavailable):
        store.commit(batch(2, [fact("case-1", 4)], a_soc=8))
    local_postgres.start()
    assert store.head().batch == 1
    store.commit(batch(2, [fact("case-1", 4)], a_soc=8))
    assert [record.originator_version for record in store.case_records("case-1")] == [1, 2, 3, 4]


def test_waiting_for_the_shards_lock_ends(stores: PostgresStores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_session(), "lock_timeout", "100ms")
    store = stores.create()
    with stores.tampering() as other, other.transaction():
        other.execute("LOCK TABLE tracking IN EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            store.commit(full_batch())
    store.commit(full_batch())
    assert store.head().batch == 1


def test_an_owner_that_freezes_between_two_statements_of_a_batch_loses_its_lock_to_the_next(
    stores: PostgresStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = stores.create()
    monkeypatch.setitem(_session(), "idle_in_transaction_session_timeout", "300ms")
    with pytest.raises(psycopg.Error), connect(stores.url, schema_of(IDENTITY.shard)) as frozen, frozen.transaction():
        frozen.execute("LOCK TABLE tracking IN EXCLUSIVE MODE")
        other.commit(full_batch())
        frozen.execute("SELECT 1")
    assert other.head().batch == 1


def test_an_owner_that_freezes_while_it_sends_rows_loses_its_session_to_whoever_opens_the_shard(
    stores: PostgresStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores.create().close()
    monkeypatch.setitem(_session(), "idle_in_transaction_session_timeout", "200ms")
    monkeypatch.setitem(_session(), "lock_timeout", "300ms")
    with pytest.raises(psycopg.Error), connect(stores.url, schema_of(IDENTITY.shard)) as frozen, frozen.transaction():
        frozen.execute("LOCK TABLE tracking IN EXCLUSIVE MODE")
        with frozen.cursor().copy("COPY stored_events (originator_id, originator_version) FROM STDIN") as copy:
            copy.write_row(("batches", 1))
            time.sleep(0.5)  # longer than it may be idle between two statements: here that limit does not count
            early = stores.open()
            with pytest.raises(StoreUnavailable):
                early.commit(full_batch())
            early.close()
            monkeypatch.setattr("hub.store.postgres_recorder.STOPPED_SECONDS", 0.3)
            other = stores.open()
            other.commit(full_batch())
            copy.write_row(("batches", 2))
    assert other.head().batch == 1


def test_an_owner_at_work_keeps_its_session_when_another_opens_the_shard(
    stores: PostgresStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.postgres_recorder.STOPPED_SECONDS", 0)
    first = stores.create()
    first.commit(full_batch())
    stores.open().close()
    with connect(stores.url, schema_of(IDENTITY.shard)) as at_work, at_work.transaction():
        at_work.execute("LOCK TABLE tracking IN EXCLUSIVE MODE")
        stores.open().close()
        at_work.execute("SELECT 1")
    assert first.head().batch == 1


def _session() -> dict[str, str]:
    from hub.store import postgres_datastore

    return postgres_datastore._SESSION


def test_of_two_owners_at_once_one_stores_and_the_other_is_fenced_off(stores: PostgresStores) -> None:
    first, second = stores.create(), stores.open()
    outcomes: list[str] = []

    def commit(store: DatabaseShardStore, owner: str) -> None:
        try:
            store.commit(batch(1, [enrolled(f"case-{owner}-{n}") for n in range(500)], owner))
            outcomes.append("stored")
        except FencedOff:
            outcomes.append("fenced off")

    workers = [
        threading.Thread(target=commit, args=(store, owner)) for store, owner in ((first, "one"), (second, "two"))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(outcomes) == ["fenced off", "stored"]
    assert len(list(first.cases())) == 500


def test_notification_ids_follow_the_order_of_commits(stores: PostgresStores) -> None:
    store = stores.create()
    store.commit(batch(1, [enrolled("a"), parked("A.SOC", 1)]))
    store.commit(batch(2, [resolved("A.SOC", 2, 1), enrolled("b")]))
    names = [type(store.record_of(row)).__name__ for row in store.notifications(0, 100)]
    assert names == [
        *("CitizenEnrolled", "RecordParked", "BatchCommitted"),
        *("ParkedResolved", "CitizenEnrolled", "BatchCommitted"),
    ]


def test_shards_of_one_database_see_nothing_of_each_other(
    stores: PostgresStores, local_postgres: LocalPostgres
) -> None:
    store = stores.create()
    store.commit(full_batch())
    other = type(IDENTITY)(IDENTITY.cluster_id, IDENTITY.world, 4, 8, IDENTITY.topic_ids)
    create_store(local_postgres.url(SHARDS), ROLE, other)
    assert open_store(stores.url, other, stores.keys).head().batch == 0
    assert {schema_of(3), schema_of(4)} == {"shard_3", "shard_4"}


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("postgresql://hub:secret@127.0.0.1/shards", "password"),
        ("postgresql://hub@127.0.0.1", "database"),
        ("not a url at all", "postgresql://"),
    ],
)
def test_a_url_that_is_no_good_is_refused_and_not_repeated(stores: PostgresStores, url: str, complaint: str) -> None:
    with pytest.raises(BadSetting, match=complaint) as refused:
        open_store(url, IDENTITY, stores.keys)
    assert "HUB_STORE_URL" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_keys_and_rows_need_databases_of_their_own(local_postgres: LocalPostgres, tmp_path: object) -> None:
    shards, keys = local_postgres.url(SHARDS, ROLE), local_postgres.url(KEYS, ROLE)
    assert DatabasePlace(shards, keys)
    with pytest.raises(BadSetting, match="one database"):
        DatabasePlace(shards, shards)
    for given in ((shards, ""), ("", keys)):
        with pytest.raises(BadSetting, match="belong together"):
            place_of(local_postgres.log_file.parent, *given)


def test_a_server_that_is_away_is_told_from_a_store_that_is_not_there(stores: PostgresStores) -> None:
    with pytest.raises(ForeignStore, match="shard_3"):
        stores.open()
    stores.port = 1
    with pytest.raises(StoreUnavailable, match="does not answer"):
        stores.open()


def test_making_goes_on_where_it_stopped_and_with_nothing_of_another_hub(stores: PostgresStores) -> None:
    owner = DatabaseOwner(stores.server.url(SHARDS), stores.server.url(KEYS))
    first, second = (replace(IDENTITY, shard=shard) for shard in (0, 1))
    stores.place.create(MASTER_KEY, [first], owner)
    stores.place.create(MASTER_KEY, [first, second], owner)
    for identity in (first, second):
        stores.open(identity).close()
    with pytest.raises(BadSetting, match="master key"):
        stores.place.create(bytes(32), [first], owner)
    with pytest.raises(ForeignStore, match="cluster_id"):
        stores.place.create(MASTER_KEY, [replace(first, cluster_id="another")], owner)


def test_a_store_that_was_left_half_made_is_made_anew(stores: PostgresStores, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    url = stores.server.url(SHARDS)
    with monkeypatch.context() as patch:
        patch.setattr("hub.store.postgres.write_identity", stop)
        with pytest.raises(KeyboardInterrupt):
            create_store(url, ROLE, IDENTITY)
    with pytest.raises(ForeignStore):
        open_store(stores.url, IDENTITY, stores.keys)
    create_store(url, ROLE, IDENTITY)
    with psycopg.connect(url) as connection:
        schemas = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'shard%'").fetchall()
    assert schemas == [("shard_3",)]
    assert open_store(stores.url, IDENTITY, stores.keys).head().batch == 0


def test_a_whole_store_is_looked_over_and_a_missing_digest_is_told(stores: PostgresStores) -> None:
    store = stores.create()
    store.commit(full_batch())
    assert check_store(IDENTITY.shard, store).faults == []
    lacking = batch(2, [fact("case-1", 4)])
    lacking.digests.clear()
    store.commit(lacking)
    (fault,) = check_store(IDENTITY.shard, store).faults
    assert "`event_digests` lacks `1` rows" in fault


def test_the_removed_end_of_a_stream_is_told(stores: PostgresStores) -> None:
    store = stores.create()
    store.commit(full_batch())
    store.commit(batch(2, [parked("A.SOC", 2)]))
    with stores.tampering() as database:
        database.execute("DELETE FROM stored_events WHERE originator_id = 'parked:A.SOC' AND originator_version = 2")
    assert any("batch `2` does not hold" in fault for fault in check_store(IDENTITY.shard, store).faults)

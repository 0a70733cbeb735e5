"""What every shard store must do, told once; a store supplies only its constructors."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.failures import DamagedStore, FencedOff, ForeignStore, NotFound
from deploy.local_postgres import LocalPostgres
from hub.store.ports import BatchWrites, Forwarding, Head, OpenParked, StoreIdentity
from hub.store.records import Decision, FactRecorded, NumbersSkipped, Record, ResyncStepped, sent_stream
from tests.store.builders import (
    IDENTITY,
    batch,
    committed,
    decided,
    enrolled,
    fact,
    full_batch,
    number,
    parked,
    resolved,
)
from tests.store.postgres_stores import PostgresStores
from tests.store.stores import SQLiteStores, Stores


class ShardStoreConformance:
    """Inherited by the test class of each kind of store, which gives `places`."""

    @pytest.fixture
    def places(self, tmp_path: Path) -> Stores:
        raise NotImplementedError

    def test_a_new_store_stands_at_nothing(self, places: Stores) -> None:
        store = places.create()
        assert store.head() == Head(0, 0, {}, {}, {})
        assert list(store.cases()) == []
        assert store.next_due() is None

    def test_everything_of_a_batch_is_read_back_as_it_was_written(self, places: Stores) -> None:
        store, writes = places.create(), full_batch()
        store.commit(writes)
        store.close()
        again = places.open()
        head = again.head()
        assert (head.batch, head.clock, head.heard) == (1, 1000, {"A.SOC": 900})
        assert (head.positions, head.numbers, head.parked) == ({"in.a-soc.v1": 7}, {"B.SOC": 1}, {"A.SOC": 1})
        assert list(again.case_records("case-1")) == writes.records[:3]
        assert again.numbers("B.SOC", 0, 10) == [writes.records[3]]
        assert list(again.parked()) == list(again.parked("A.SOC")) == [(writes.records[4], None)]
        assert again.open_parked() == list(writes.open_parked.values())
        assert again.open_reviews() == writes.open_reviews
        assert again.forwardings() == [Forwarding("case-1", "case-9", 2, 3)]
        assert (again.promises(), again.removals()) == (writes.promises, writes.removals)
        assert again.obligations() == writes.obligations
        assert again.digests(["A.SOC/case-1-2", "A.SOC/unknown"]) == {"A.SOC/case-1-2": b"digest"}
        known = {("A.SOC", "key-1"): "case-1"}
        assert again.cases_of([("A.SOC", "key-1"), ("B.SOC", "key-1"), ("A.SOC", "key-2")]) == known
        assert again.cache_rows(["case-1", "case-2"]) == {"case-1": b"cache of the case"}
        assert list(again.cases()) == ["case-1"]

    def test_what_is_kept_answered_or_reviewed_is_not_there_any_more(self, places: Stores) -> None:
        store, first = places.create(), full_batch()
        store.commit(first)
        second = batch(2)
        second.promises = dict.fromkeys(first.promises, ())
        second.removals = {step: removing[:1] for step, removing in first.removals.items()}
        second.obligations = dict.fromkeys(first.obligations)
        second.open_reviews = dict.fromkeys(first.open_reviews, ())
        second.open_parked = dict.fromkeys(first.open_parked)
        store.commit(second)
        store.close()
        again = places.open()
        assert (again.promises(), again.removals()) == ({}, second.removals)
        assert (again.obligations(), again.open_reviews(), again.open_parked()) == ({}, {}, [])

    def test_every_optional_field_survives_present_and_absent(self, places: Stores) -> None:
        store = places.create()
        told = FactRecorded(
            "case:c", 2, "A/1", "T", "A", "urn:party:A:s", 1, -5, 2**41, 3, "A/0", "corr", "caus", b"\0\xff"
        )
        records: list[Record] = [enrolled("c"), told, decided("c", 3), parked("A", 1, value=None)]
        store.commit(batch(1, records))
        assert list(store.case_records("c")) == records[:3]
        assert next(store.parked("A"))[0] == records[3]

    def test_a_long_case_streams_in_version_order_from_any_version(self, places: Stores) -> None:
        store = places.create()
        facts = [fact("long", version, b"%d" % version) for version in range(2, 1_204)]
        store.commit(batch(1, [enrolled("long"), *facts, enrolled("other")]))
        assert list(store.case_records("long", 1)) == facts
        assert list(store.case_records("long", 1_200)) == facts[-3:]
        assert list(store.case_records("nobody")) == []

    def test_one_record_is_read_by_its_version_and_many_by_their_places(self, places: Stores) -> None:
        store = places.create()
        store.commit(batch(1, [enrolled("a"), fact("a", 2), enrolled("b"), fact("b", 2)]))
        assert store.case_record("a", 2) == fact("a", 2)
        places_wanted = [("a", 2), ("b", 1)]
        assert store.case_records_at(places_wanted) == {("a", 2): fact("a", 2), ("b", 1): enrolled("b")}
        with pytest.raises(NotFound):
            store.case_record("a", 3)
        with pytest.raises(NotFound):
            store.case_records_at([("a", 2), ("b", 3)])

    def test_more_cases_than_one_portion_are_all_listed_once(self, places: Stores) -> None:
        store = places.create()
        cases = sorted(f"case-{n}" for n in range(1_203))
        store.commit(batch(1, [enrolled(case) for case in cases]))
        assert list(store.cases()) == cases

    def test_a_stale_owner_is_fenced_off_and_nothing_of_its_batch_is_stored(self, places: Stores) -> None:
        first, stale = places.create(), places.open()
        first.commit(full_batch(owner="owner-1"))
        with pytest.raises(FencedOff):
            stale.commit(full_batch(owner="owner-2", case_id="case-2"))
        assert list(first.cases()) == ["case-1"]
        assert first.digests(["A.SOC/case-2-2"]) == {}
        assert first.head().batch == 1

    def test_owners_of_different_topics_fence_each_other_too(self, places: Stores) -> None:
        first, second = places.create(), places.open()
        first.commit(batch(1, owner="owner-1", a_soc=1))
        with pytest.raises(FencedOff):
            second.commit(batch(1, owner="owner-2", b_soc=1))
        assert first.head().positions == {"in.a-soc.v1": 1}

    def test_our_own_stored_batch_committed_again_is_success_and_stored_once(self, places: Stores) -> None:
        store = places.create()
        store.commit(full_batch())
        store.commit(full_batch())
        assert len(list(store.case_records("case-1"))) == 3
        assert store.head().batch == 1

    def test_the_same_batch_with_other_positions_is_not_taken_for_stored(self, places: Stores) -> None:
        store = places.create()
        store.commit(batch(1, a_soc=1))
        with pytest.raises(DamagedStore):
            store.commit(batch(1, a_soc=2))

    @pytest.mark.parametrize(
        "wrong",
        [
            batch(3),
            batch(2, [fact("case-1", 5)]),
            batch(2, [number("B.SOC", 3)]),
            batch(2, [fact("case-1", 3)]),
            batch(2, a_soc=6),
            BatchWrites(committed(2), digests={"A.SOC/case-1-2": b"another"}),
        ],
        ids=["batch left out", "case gap", "number gap", "version taken", "position back", "digest again"],
    )
    def test_a_batch_that_contradicts_the_store_leaves_nothing(self, places: Stores, wrong: BatchWrites) -> None:
        store = places.create()
        store.commit(full_batch())
        before = store.head()
        wrong.due["case-9"] = 1
        with pytest.raises(DamagedStore):
            store.commit(wrong)
        assert store.head() == before
        assert store.next_due() == 5_000

    def test_positions_stay_or_move_forward_and_others_keep_theirs(self, places: Stores) -> None:
        store = places.create()
        store.commit(batch(1, a_soc=5, b_soc=9))
        store.commit(batch(2, a_soc=5))
        store.commit(batch(3, a_soc=6))
        assert store.head().positions == {"in.a-soc.v1": 6, "in.b-soc.v1": 9}

    def test_due_dates_move_clear_and_come_in_order(self, places: Stores) -> None:
        store = places.create()
        store.commit(BatchWrites(committed(1), due={"a": 30, "b": 10, "c": 20}))
        assert store.due_of(["a", "b", "x"]) == {"a": 30, "b": 10}
        store.commit(BatchWrites(committed(2), due={"a": 5, "b": None, "never": None}))
        assert store.due(100, 10) == [(5, "a"), (20, "c")]
        assert store.due(100, 1) == [(5, "a")]
        assert store.due(4, 10) == []
        assert store.due(5, 10) == [(5, "a")]
        assert store.next_due() == 5

    def test_send_positions_never_go_back(self, places: Stores) -> None:
        store = places.create()
        store.record_send_positions({"A": 5, "B": 2})
        store.record_send_positions({"A": 4, "B": 3})
        store.close()
        assert places.open().send_positions() == {"A": 5, "B": 3}

    def test_what_a_merge_has_told_never_goes_back(self, places: Stores) -> None:
        """An owner that was replaced and does not know it yet may still be at it."""
        store = places.create()
        store.commit(full_batch())
        store.record_forwarded("case-1", "case-9", 2, 0)
        store.record_forwarded("case-1", "case-9", 1, 0)
        assert store.forwardings() == [Forwarding("case-1", "case-9", 2, 3, 2, 0)]
        later = batch(2)
        later.forwarding["case-1", "case-9"] = (2, 5)
        store.commit(later)
        assert store.forwardings() == [Forwarding("case-1", "case-9", 2, 5, 2, 0)]
        store.record_forwarded("case-1", "case-9", 4, 5)
        store.record_forwarded("case-1", "case-9", 3, 0)
        store.close()
        assert places.open().forwardings() == []

    def test_numbers_come_in_order_after_and_up_to_what_is_asked(self, places: Stores) -> None:
        store = places.create()
        numbers = [number("A", n, version=n) for n in range(1, 12)]
        store.commit(batch(1, [*numbers, number("B", 1)]))
        assert store.numbers("A", 3, 4) == numbers[3:7]
        assert store.numbers("A", 11, 4) == []

    def test_numbers_that_were_skipped_are_given_to_nothing_and_those_behind_them_follow(self, places: Stores) -> None:
        store = places.create()
        store.commit(batch(1, [number("A", 1), number("A", 2), number("B", 1)]))
        store.record_send_positions({"A": 1, "B": 1})
        skipping = batch(2, [NumbersSkipped(sent_stream("A"), 9, 2_000, 3)])
        skipping.sent["A"] = 9
        store.commit(skipping)
        with pytest.raises(DamagedStore):
            store.commit(batch(3, [number("A", 3)]))
        later = [number("A", 10), number("A", 11)]
        store.commit(batch(3, later))
        store.close()
        again = places.open()
        assert again.head().numbers == {"A": 11, "B": 1}
        assert again.send_positions() == {"A": 9, "B": 1}
        assert [number for number in range(12) if again.was_skipped("A", number)] == [9]
        assert not again.was_skipped("B", 1) and not again.was_skipped("C", 0)
        assert again.numbers("A", 9, 5) == again.numbers("A", 5, 5) == again.numbers("A", 2, 5) == later
        assert again.numbers("A", 1, 2) == [number("A", 2), later[0]]

    def test_the_bytes_of_a_parked_record_end_when_it_is_resolved_but_not_its_reason(self, places: Stores) -> None:
        store = places.create()
        store.commit(batch(1, [parked("A.SOC", 1), parked("A.SOC", 2)]))
        store.commit(batch(2, [resolved("A.SOC", 3, 1)]))
        (first, outcome), (second, open_) = store.parked("A.SOC")
        assert (first.key, first.value, first.headers, first.reason) == (None, None, (), "bad_avro")
        assert outcome == resolved("A.SOC", 3, 1)
        assert (second, open_) == (parked("A.SOC", 2), None)
        assert store.parked_record("A.SOC", 2) == parked("A.SOC", 2)
        for version in (1, 3, 4):
            with pytest.raises(NotFound):
                store.parked_record("A.SOC", version)

    def test_open_parked_records_come_in_order_and_end_by_their_place(self, places: Stores) -> None:
        store = places.create()
        parked_ones = [OpenParked("A", 10, 1, 5), OpenParked("A", 9, 9, 5, "line"), OpenParked("B", 1, 1, 7)]
        first = batch(1)
        first.open_parked.update({one.place: one for one in parked_ones})
        store.commit(first)
        assert store.open_parked() == sorted(parked_ones)
        second = batch(2)
        second.open_parked.update({"A/9": None, "A/1": None})
        store.commit(second)
        store.close()
        assert places.open().open_parked() == [parked_ones[0], parked_ones[2]]

    def test_a_store_made_for_another_is_refused_by_name_of_the_difference(self, places: Stores) -> None:
        places.create().close()
        ids = IDENTITY.topic_ids
        for foreign, difference in (
            (StoreIdentity("cluster-2", "world-1", 3, 8, ids), "cluster_id"),
            (StoreIdentity("cluster-1", "world-2", 3, 8, ids), "world"),
            (StoreIdentity("cluster-1", "world-1", 4, 8, ids), "shard"),
            (StoreIdentity("cluster-1", "world-1", 3, 9, ids), "partitions"),
            (StoreIdentity("cluster-1", "world-1", 3, 8, {"in.a-soc.v1": "made anew"}), "in.a-soc.v1"),
        ):
            with pytest.raises(ForeignStore, match=difference):
                places.open(foreign)

    def test_a_topic_met_later_is_remembered(self, places: Stores) -> None:
        places.create().close()
        places.open(StoreIdentity("cluster-1", "world-1", 3, 8, {"in.new.v1": "id-1"})).close()
        with pytest.raises(ForeignStore, match=r"in\.new\.v1"):
            places.open(StoreIdentity("cluster-1", "world-1", 3, 8, {"in.new.v1": "id-2"}))

    def test_a_store_is_made_once_and_never_by_opening(self, places: Stores) -> None:
        with pytest.raises(ForeignStore):
            places.open()
        places.create().close()
        with pytest.raises(ForeignStore):
            places.create()

    def test_decisions_keep_their_order_and_their_bases(self, places: Stores) -> None:
        store = places.create()
        decisions = tuple(Decision(2, f"P.{n}", tuple((f"S{k}", 1 << k) for k in range(n)), n) for n in range(6))
        store.commit(batch(1, [enrolled("a"), fact("a", 2), decided("a", 3, *decisions)]))
        assert store.case_record("a", 3) == decided("a", 3, *decisions)


class TestSQLiteShardStore(ShardStoreConformance):
    """The store on one SQLite file."""

    @pytest.fixture
    def places(self, tmp_path: Path) -> Stores:
        return SQLiteStores(tmp_path)


@pytest.mark.postgres
class TestPostgresShardStore(ShardStoreConformance):
    """The store in a schema of a real PostgreSQL."""

    @pytest.fixture
    def places(self, local_postgres: LocalPostgres) -> Stores:
        return PostgresStores(local_postgres)

    def test_the_last_step_of_each_partys_resync_is_read_back(self, places: Stores) -> None:
        store = places.create()
        assert store.resyncs() == {}
        asked = ResyncStepped("resync:A.SOC", 1, 900, "requested", "request-1", 800)
        other = ResyncStepped("resync:B.X", 1, 900, "requested", "request-1", 800)
        went_on = asked._replace(originator_version=2, step="went_on", number=7, reached="case-9", left=("case-3", "a"))
        store.commit(batch(1, [asked, other, went_on]))
        store.close()
        assert places.open().resyncs() == {"A.SOC": went_on, "B.X": other}

    def test_the_keys_of_a_party_come_in_their_order_from_after_one_on(self, places: Stores) -> None:
        store, writes = places.create(), batch(1)
        cases = {"b": "case-1", "a": "case-2", "c-1": "case-1", "c": "case-3", "B": "case-4"}
        writes.keys = {("A.SOC", key): case_id for key, case_id in cases.items()} | {("B.X", "bb"): "case-1"}
        store.commit(writes)
        everything = [(key, cases[key]) for key in ("B", "a", "b", "c", "c-1")]
        assert store.keys_of("A.SOC", "", 10) == everything
        assert store.keys_of("A.SOC", "a", 2) == everything[2:4]
        assert store.keys_of("A.SOC", "c-1", 2) == []
        assert store.keys_of("A", "", 2) == []

"""The store beside a model of a few dicts: after every step, refused ones too, both say the same."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from contracts.failures import DamagedStore, FencedOff
from deploy.local_postgres import LocalPostgres
from hub.store.ports import BatchWrites
from hub.store.records import Record
from tests.store.builders import committed, enrolled, fact, number, parked, resolved
from tests.store.postgres_stores import PostgresStores
from tests.store.stores import SQLiteStores

CASES = st.sampled_from(["a", "b", "c"])
PARTIES = st.sampled_from(["A", "B.X"])


@dataclass
class _Model:
    batch: int = 0
    streams: dict[str, list[Record]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    due: dict[str, int] = field(default_factory=dict)
    cache: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)

    def next_version(self, stream: str) -> int:
        return len(self.streams.get(stream, [])) + 1


class StoreBesideModel(RuleBasedStateMachine):
    def __init__(self, make_stores: Callable[[], SQLiteStores | PostgresStores]) -> None:
        super().__init__()
        self.stores = make_stores()
        self.store = self.stores.create()
        self.model = _Model()

    def teardown(self) -> None:
        self.store.close()
        self.stores.keys.close()

    @rule(
        cases=st.lists(st.tuples(CASES, st.binary(max_size=20)), max_size=6),
        parties=st.lists(PARTIES, max_size=4),
        refused=st.lists(PARTIES, max_size=2),
        position=st.none() | st.integers(0, 50),
        due=st.dictionaries(CASES, st.none() | st.integers(0, 100)),
    )
    def commit(
        self,
        cases: list[tuple[str, bytes]],
        parties: list[str],
        refused: list[str],
        position: int | None,
        due: dict[str, int | None],
    ) -> None:
        heads: dict[str, int] = {}

        def version(stream: str) -> int:
            heads[stream] = heads.get(stream, self.model.next_version(stream) - 1) + 1
            return heads[stream]

        writes = BatchWrites(committed(self.model.batch + 1), due=due)
        if position is not None:
            writes.committed = committed(self.model.batch + 1, a=position)
        for case_id, value in cases:
            at = version(f"case:{case_id}")
            writes.records.append(enrolled(case_id) if at == 1 else fact(case_id, at, value))
            writes.cache_rows[case_id] = value
        writes.records += [number(party, version(f"sent:{party}")) for party in parties]
        writes.records += [parked(party, version(f"parked:{party}")) for party in refused]
        if position is not None and position < self.model.positions.get("in.a.v1", 0):
            self.refused(writes)
            return
        self.store.commit(writes)
        self.model.batch += 1
        for record in writes.records:
            self.model.streams.setdefault(record.originator_id, []).append(record)
        self.model.positions.update(writes.committed.positions)
        self.model.cache.update(writes.cache_rows)
        self.model.due.update({case: instant for case, instant in due.items() if instant is not None})
        for case in [case for case, instant in due.items() if instant is None]:
            self.model.due.pop(case, None)

    def refused(self, writes: BatchWrites) -> None:
        try:
            self.store.commit(writes)
        except DamagedStore:
            return
        raise AssertionError("a position went back")

    @rule(party=PARTIES)
    def resolve_the_oldest(self, party: str) -> None:
        stream = f"parked:{party}"
        open_ = [record for record, outcome in self.store.parked(party) if outcome is None]
        if open_:
            record = resolved(party, self.model.next_version(stream), open_[0].originator_version)
            self.store.commit(BatchWrites(committed(self.model.batch + 1), [record]))
            self.model.batch += 1
            self.model.streams[stream].append(record)

    @precondition(lambda self: self.model.batch > 0)
    @rule(case_id=CASES)
    def a_stale_owner_tries(self, case_id: str) -> None:
        try:
            self.store.commit(BatchWrites(committed(self.model.batch, "stale"), [enrolled(case_id)], due={case_id: 1}))
        except FencedOff:
            return
        raise AssertionError("a stale owner was let in")

    @rule(positions=st.dictionaries(PARTIES, st.integers(0, 9)))
    def send(self, positions: dict[str, int]) -> None:
        self.store.record_send_positions(positions)
        for party, sent in positions.items():
            self.model.sent[party] = max(sent, self.model.sent.get(party, 0))

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self.stores.open()

    @invariant()
    def both_say_the_same(self) -> None:
        model, store, streams = self.model, self.store, self.model.streams
        head = store.head()
        assert (head.batch, head.positions) == (model.batch, model.positions)
        assert head.numbers == {party: len(streams[f"sent:{party}"]) for party in head.numbers}
        assert {f"sent:{party}" for party in head.numbers} == {name for name in streams if name.startswith("sent:")}
        assert {f"case:{case}" for case in store.cases()} == {name for name in streams if name.startswith("case:")}
        for case_id in ("a", "b", "c"):
            assert list(store.case_records(case_id)) == streams.get(f"case:{case_id}", [])
        for party in ("A", "B.X"):
            assert list(store.numbers(party, 0, 1_000)) == streams.get(f"sent:{party}", [])
            resolved_versions = {o.parked_version for _, o in store.parked(party) if o is not None}
            for record, outcome in store.parked(party):
                assert (record.value is None) == (outcome is not None)
                assert (record.originator_version in resolved_versions) == (outcome is not None)
        assert store.due(1_000, 100) == sorted((instant, case) for case, instant in model.due.items())
        assert store.cache_rows(["a", "b", "c"]) == model.cache
        assert store.send_positions() == model.sent


def test_a_store_in_a_file_says_what_the_model_says(tmp_path: Path) -> None:
    numbers = itertools.count()

    def make() -> SQLiteStores:
        directory = tmp_path / str(next(numbers))
        directory.mkdir()
        return SQLiteStores(directory)

    _play(make, examples=25)


@pytest.mark.postgres
def test_a_store_in_a_database_says_what_the_model_says(local_postgres: LocalPostgres) -> None:
    _play(lambda: PostgresStores(local_postgres), examples=10)


def _play(make_stores: Callable[[], SQLiteStores | PostgresStores], examples: int) -> None:
    run_state_machine_as_test(
        cast(Any, lambda: StoreBesideModel(make_stores)),
        settings=settings(max_examples=examples, stateful_step_count=15, deadline=None),
    )

"""`hub parked show|retry` on two shards: which record is meant, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contracts.failures import CallerFailure, NotFound
from deploy import parked_command
from deploy.world import World
from hub.shard.retrying import RETRY
from tests.shard.harness import CASE, OTHER_CASE
from tests.shard.merging import ACROSS, LOSER, PARTITIONS, WINNER, MergingShards, dated, imprisoned


class Operator:
    """Two shards, of which one has parked two records of A.JOB and the other one."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = MergingShards(directory, {})
        # Nobody is enrolled behind these keys: what is stated under them is parked.
        self.hub.shards_of = {CASE: 0, OTHER_CASE: 1}
        for number, case_id in enumerate((CASE, OTHER_CASE, OTHER_CASE)):
            self.hub.state("A.JOB", "CaseOpened", {"caseNo": "1", "at": self.hub.now}, str(number), case_id)
            self.hub.settle()
        world = SimpleNamespace(registry=self.hub.registry, partitions=PARTITIONS)
        monkeypatch.setattr(World, "open", lambda _: world)
        monkeypatch.setattr(parked_command, "opened_stores", self._opened_stores)
        monkeypatch.setattr(parked_command, "operator_channel", lambda _: self)

    @contextmanager
    def _opened_stores(self, _: object) -> Iterator[list[Any]]:
        yield list(self.hub.stores)

    def publish(self, shard: int, event_type: str, payload: dict[str, Any]) -> None:
        assert event_type == RETRY
        self.hub.control.publish(shard, event_type, payload)
        self.hub.settle()

    def close(self) -> None:
        """Nothing is left open."""

    def parked(self, *words: str) -> Result:
        return CliRunner().invoke(parked_command.parked, list(words))


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(tmp_path, monkeypatch)


def test_a_number_that_two_shards_have_is_not_guessed(operator: Operator) -> None:
    for command in ("show", "retry"):
        several = operator.parked(command, "A.JOB", "1")
        assert isinstance(several.exception, CallerFailure)
        assert "`--shard`" in str(several.exception)
    assert "shard: 1\n" in operator.parked("show", "A.JOB", "1", "--shard", "1").output
    assert "shard: 1\n" in operator.parked("show", "A.JOB", "2").output


def test_what_is_not_resolved_has_no_time_of_it(operator: Operator) -> None:
    assert "None" not in operator.parked("show", "A.JOB", "2").output


def test_no_name_is_no_party(operator: Operator) -> None:
    assert isinstance(operator.parked("show", "", "1").exception, NotFound)
    assert isinstance(operator.parked("list", "--party", "").exception, NotFound)


def test_a_retry_that_is_refused_fails_and_one_that_is_admitted_does_not(operator: Operator) -> None:
    refused = operator.parked("retry", "A.JOB", "2")
    assert refused.exit_code == 1
    became, why = refused.output.splitlines()
    assert became == "shard 1: parked_again"
    assert why.startswith("as number 4: unknown_key, field key: use the pseudonym")
    operator.hub.enrol(CASE)
    operator.hub.settle()
    admitted = operator.parked("retry", "A.JOB", "1", "--shard", "0")
    assert (admitted.exit_code, admitted.output) == (0, "shard 0: admitted\n")


def test_a_record_that_came_with_a_merge_is_told_by_its_number_and_lies_at_no_known_place(
    operator: Operator, tmp_path: Path
) -> None:
    (tmp_path / "merged").mkdir()
    operator.hub = hub = MergingShards(tmp_path / "merged", ACROSS)
    imprisoned(hub, LOSER)
    hub.merge()
    hub.settle()
    for reference in ("one", "another"):
        dated(hub, LOSER, 20_400, reference=reference, revision=1)
    hub.settle()
    shown = operator.parked("show", "PRI", "1").output
    assert f"shard: {hub.shards_of[WINNER]}\n" in shown
    assert f"topic: {hub.names.input('PRI')}\n" in shown
    assert "partition: not known\n" in shown
    assert "offset: not known\n" in shown
    (first, _) = json.loads(operator.parked("list", "--json", "--party", "PRI").output)
    assert (first["topic"], first["partition"], first["offset"]) == (hub.names.input("PRI"), None, None)
    refused = operator.parked("retry", "PRI", "1").output
    assert [line.split(":")[0] for line in refused.splitlines()[1:]] == ["as number 4"]

"""A command that every shard has to be told, stopped after the first of them, is simply given again."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contracts.failures import CallerFailure, NotFound, TransportFailure
from deploy import agreement_command, governance_command, hub_statements
from deploy.scenario.simulated_broker import SimulatedTransport
from hub.identity.pseudonyms import governance_case
from hub.store.records import FactRecorded
from tests.shard.harness import SECRET
from tests.shard.merging import PARTITIONS, MergingShards

AGREEMENT = "a0000000-0000-4000-8000-000000000001"
REGISTRATION = f"""
agreementId = "{AGREEMENT}"
kind = "PARTNERSHIP"
parties = ["PRI", "A.SOC"]
startsOn = 2025-01-01
categories = ["SU"]
costRule = "HOST_BEARS"
"""


class Stopping(SimulatedTransport):
    """A way to the broker that ends after so many records."""

    left: int | None = None

    def send(self, *told: Any, **more: Any) -> Any:
        if self.left == 0:
            raise TransportFailure("the broker does not answer; give the command again, nothing is lost")
        self.left = None if self.left is None else self.left - 1
        return super().send(*told, **more)


class Operator:
    """Gives commands to two shards; every one of them does its work while a command waits for it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = MergingShards(directory, {})
        self.directory = directory
        self.transport = Stopping(self.hub.broker)
        self.world: Any = SimpleNamespace(
            hub_secret=SECRET, registry=self.hub.registry, partitions=PARTITIONS, rules_directory=None,
            directory=directory, names=self.hub.names, signing_key=lambda _: None,
        )  # fmt: skip
        state = partial(hub_statements.state, wait=self.wait, clock=lambda: self.hub.now)
        for module in (agreement_command, governance_command, hub_statements):
            monkeypatch.setattr(module, "opened_stores", self._opened_stores, raising=False)
        for module in (agreement_command, governance_command):
            monkeypatch.setattr(module, "hub_publisher", self._publisher)
            monkeypatch.setattr(module, "state", state)
            monkeypatch.setattr(module.World, "open", lambda _: self.world)

    def wait(self, _: float) -> None:
        """Let the shards work while a command waits for them."""
        self.hub.settle()

    @contextmanager
    def _opened_stores(self, _: object) -> Iterator[list[Any]]:
        yield list(self.hub.stores)

    @contextmanager
    def _publisher(self, _: object) -> Iterator[Any]:
        yield hub_statements.publisher_of(self.world, self.transport)

    def after(self, records: int | None, command: Any, *words: Any) -> None:
        """Give a command that ends after so many records."""
        self.hub.tick(60_000)
        self.hub.settle()
        self.transport.left = records
        try:
            command.callback(*words)
        finally:
            self.transport.left = None
            self.hub.settle()

    def register(self, records: int | None = None, words: str = REGISTRATION) -> None:
        file = self.directory / "agreement.toml"
        file.write_text(words, encoding="utf-8")
        self.after(records, agreement_command.register, file, "DK", self.directory)

    def end(self, records: int | None = None) -> None:
        self.after(records, agreement_command.end, AGREEMENT, "DK", self.directory)

    def stated(self, *event_types: str) -> list[list[str]]:
        """What each shard has of those types, by event id."""
        return [
            [
                record.event_id
                for record in store.case_records(governance_case(SECRET, "DK", shard))
                if isinstance(record, FactRecorded) and record.event_type in event_types
            ]
            for shard, store in enumerate(self.hub.stores)
        ]


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(tmp_path, monkeypatch)


def test_an_end_that_stopped_half_way_is_completed_by_giving_it_again(operator: Operator) -> None:
    operator.register()
    with pytest.raises(TransportFailure):
        operator.end(records=1)
    assert [len(ends) for ends in operator.stated("AgreementEnded")] == [1, 0]
    operator.end()
    first, second = operator.stated("AgreementEnded")
    assert first == second
    assert len(first) == 1, "one end, whatever it took to tell of it"
    with pytest.raises(CallerFailure, match="ended already"):
        operator.end()


def test_nothing_is_registered_over_an_end_that_not_every_shard_has(operator: Operator) -> None:
    operator.register()
    with pytest.raises(TransportFailure):
        operator.end(records=1)
    with pytest.raises(CallerFailure, match="agreement end"):
        operator.register()
    operator.end()
    operator.register()
    first, second = operator.stated("AgreementRegistered", "AgreementEnded")
    assert first == second
    assert len(first) == 3


def test_an_agreement_that_only_some_shards_have_can_be_registered_again_or_ended(operator: Operator) -> None:
    with pytest.raises(TransportFailure):
        operator.register(records=1)
    operator.register()
    first, second = operator.stated("AgreementRegistered")
    assert first == second
    assert len(first) == 1


def test_an_agreement_that_the_first_shard_does_not_have_can_be_ended(operator: Operator) -> None:
    with pytest.raises(NotFound):
        operator.end()
    words = {**tomllib.loads(REGISTRATION)}
    publisher = hub_statements.publisher_of(operator.world, operator.transport)
    hub_statements.state(
        operator.world,
        publisher,
        "DK",
        "AgreementRegistered",
        words,
        "the second alone",
        (1,),
        operator.wait,
        lambda: operator.hub.now,
    )
    assert [len(told) for told in operator.stated("AgreementRegistered")] == [0, 1]
    operator.end()
    assert [len(ends) for ends in operator.stated("AgreementEnded")] == [1, 1]


def test_a_second_end_is_another_one(operator: Operator) -> None:
    operator.register()
    operator.end()
    operator.register()
    with pytest.raises(TransportFailure):
        operator.end(records=1)
    operator.end()
    first, second = operator.stated("AgreementEnded")
    assert first == second
    assert len(first) == 2


def test_a_role_that_was_stated_is_not_stated_again_by_the_same_words(operator: Operator) -> None:
    words = ("PRI", "PROJECT_LEADER", "staff-1", "DK", operator.directory)
    operator.after(None, governance_command.staff, *words)
    operator.after(None, governance_command.staff, *words)
    assert len(operator.stated("StaffRoleChanged")[0]) == 1
    operator.after(None, governance_command.staff, "PRI", "PROJECT_LEADER", None, "DK", operator.directory)
    operator.after(None, governance_command.staff, *words)
    assert len(operator.stated("StaffRoleChanged")[0]) == 3


def test_a_role_whose_statement_had_no_answer_is_stated_once(operator: Operator) -> None:
    words = ("PRI", "PROJECT_LEADER", "staff-1", "DK", operator.directory)
    with pytest.raises(TransportFailure):
        operator.after(0, governance_command.staff, *words)
    operator.after(None, governance_command.staff, *words)
    assert len(operator.stated("StaffRoleChanged")[0]) == 1

"""`hub keys revoke|list` on the stores of two shards, of which one may have what the other has not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contracts.civil_time import instant_of
from contracts.failures import CallerFailure, NotFound
from contracts.signatures import SigningKey
from deploy import keys_command
from deploy.keys_command import signed_under
from deploy.world import World
from hub.shard.signing_keys import REGISTRATION, REVOCATION
from tests.shard.harness import HOUR_MS
from tests.shard.merging import ACROSS, LOSER, PARTITIONS, MergingShards, imprisoned

KEY = SigningKey(b"\x05" * 32)


class Operator:
    """Gives commands; what `revoke` tells every shard is in `told`."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hub = MergingShards(directory, {})
        self.told: list[Mapping[str, Any]] = []
        world = SimpleNamespace(registry=self.hub.registry, partitions=PARTITIONS)
        monkeypatch.setattr(World, "open", lambda _: world)
        monkeypatch.setattr(keys_command, "opened_stores", self._opened_stores)
        monkeypatch.setattr(keys_command, "change_keys", lambda _, kind, payload, done: self.told.append(payload))

    @contextmanager
    def _opened_stores(self, _: object) -> Iterator[list[Any]]:
        yield list(self.hub.stores)

    def tell(self, shard: int, event_type: str, **payload: str) -> None:
        self.hub.control.publish(shard, event_type, {"party": "A.JOB", **payload})
        self.hub.settle()

    def keys(self, *words: str) -> Result:
        return CliRunner().invoke(keys_command.keys, list(words))


@pytest.fixture
def operator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    return Operator(tmp_path, monkeypatch)


@pytest.mark.parametrize("shard", range(PARTITIONS))
def test_a_key_that_signs_on_any_shard_can_be_revoked(operator: Operator, shard: int) -> None:
    operator.tell(shard, REGISTRATION, publicKey=KEY.public.hex())
    assert "signs on 1 of 2 shards" in operator.keys("list").output
    assert operator.keys("revoke", "A.JOB", KEY.id).exit_code == 0
    assert operator.told == [{"party": "A.JOB", "keyId": KEY.id}]


@pytest.mark.parametrize("shard", range(PARTITIONS))
def test_a_key_that_is_revoked_on_one_shard_alone_is_listed_as_one_that_signs(operator: Operator, shard: int) -> None:
    for each in range(PARTITIONS):
        operator.tell(each, REGISTRATION, publicKey=KEY.public.hex())
    assert "signs  registered" in operator.keys("list").output
    operator.tell(shard, REVOCATION, keyId=KEY.id)
    assert "signs on 1 of 2 shards" in operator.keys("list").output
    operator.tell(1 - shard, REVOCATION, keyId=KEY.id)
    assert "revoked since" in operator.keys("list").output


def test_a_key_that_no_shard_knows_is_not_revoked(operator: Operator) -> None:
    assert isinstance(operator.keys("revoke", "A.JOB", KEY.id).exception, NotFound)


def test_a_key_that_was_revoked_before_it_was_known_has_no_registration(operator: Operator) -> None:
    for each in range(PARTITIONS):
        operator.tell(each, REVOCATION, keyId=KEY.id)
    (line, *_) = operator.keys("list", "--party", "A.JOB").output.splitlines()
    assert line.endswith("never registered")


def test_what_a_merge_carried_over_is_listed_once_by_when_and_where_it_was_admitted(tmp_path: Path) -> None:
    hub = MergingShards(tmp_path, ACROSS)
    admitted_at, event_id = hub.now, imprisoned(hub, LOSER)
    hub.settle()
    hub.tick(HOUR_MS)
    hub.settle()
    merged_at = hub.now
    hub.merge()
    hub.settle()
    # Nobody signs here: the key of each fact is `""`.
    stores: Any = hub.stores
    (listed,) = [fact for fact in signed_under(stores, "", admitted_at) if fact.event_id == event_id]
    assert (listed.case_id, listed.party) == (LOSER, "PRI")
    assert instant_of(datetime.fromisoformat(listed.recorded_at)) < merged_at
    assert event_id not in {fact.event_id for fact in signed_under(stores, "", merged_at)}
    assert event_id in {fact.event_id for fact in signed_under(list(reversed(stores)), "", 0)}


def test_a_time_that_lies_ahead_is_refused_and_times_are_said_in_utc(operator: Operator) -> None:
    operator.tell(0, REGISTRATION, publicKey=KEY.public.hex())
    ahead = operator.keys("revoke", "A.JOB", KEY.id, "--since", "2999-01-01T00:00")
    assert isinstance(ahead.exception, CallerFailure)
    assert operator.told == []
    since = operator.keys("revoke", "A.JOB", KEY.id, "--since", "2025-01-01T01:00+01:00")
    assert since.output.strip().endswith("0 facts were admitted under it since 2025-01-01T00:00:00+00:00")

"""One of two cases of a merge was erased on the way: neither its shard nor that of the other one stops."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from contracts.failures import Failure
from contracts.reasons import Reason
from hub.store.keys import KeyStore
from hub.store.records import case_stream
from tests.shard.harness import SECRET
from tests.shard.merging import ACROSS, LOSER, SAME_SHARD, THIRD, WINNER, MergingShards, dated, imprisoned


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same", "across"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    """Three citizens in prison, two of whom are one; the word of it has not left the case that knows it."""
    hub = MergingShards(tmp_path, request.param)
    for case_id in (LOSER, WINNER, THIRD):
        imprisoned(hub, case_id)
    hub.settle()
    hub.merge()
    hub.channel.fail_before = True
    hub.step()
    assert hub.shards[0].forwarding.waiting
    return hub


def erase(hub: MergingShards, case_id: str) -> None:
    """Destroy the key of a case, as another process does it."""
    with closing(KeyStore.in_file(hub.directory / "keys.db", SECRET)) as elsewhere:
        elsewhere.destroy([case_stream(case_id)])


def settle(hub: MergingShards) -> None:
    """Let the shards go on, each with one new beginning where a failure asks for it."""
    begun_anew: list[int] = []
    for _ in range(200):
        for number, shard in enumerate(hub.shards):
            shard.forwarding.pause.until = 0.0
            try:
                shard.step(0.0)
            except Failure as failure:
                assert failure.retriable, failure
                assert number not in begun_anew
                begun_anew.append(number)
                hub.restart(number)


@pytest.mark.parametrize("erased", [LOSER, WINNER])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_merge_with_an_erased_case_holds_up_nobody_else(hub: MergingShards, erased: str, is_restarted: bool) -> None:
    erase(hub, erased)
    if is_restarted:
        for number in range(len(hub.shards)):
            hub.restart(number)
    settle(hub)
    assert all(shard.forwarding.waiting == [] for shard in hub.shards)
    spared = WINNER if erased == LOSER else LOSER
    dates = {case_id: dated(hub, case_id, reference=f"date {case_id}") for case_id in (spared, THIRD)}
    settle(hub)
    assert dates[THIRD] in hub.held("PRI", THIRD)
    assert {each.reason for each in hub.parked()} <= {Reason.UNKNOWN_KEY}
    assert all(shard.inputs.lag_records() == 0 for shard in hub.shards)

"""A resync beside a merge of two cases, on one shard and across two: at whatever step the one meets the other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts.cloudevents import parse_disclosed
from contracts.codec import codec
from hub.shard import forwarding, resyncing, worker
from hub.shard.resyncing import COMPLETED, REQUEST
from tests.shard.merging import (
    ACROSS,
    LOSER,
    PARTITIONS,
    SAME_SHARD,
    WINNER,
    MergingShards,
    consented,
    dated,
    hour,
    imprisoned,
    opened,
)
from tests.shard.resyncs import after_the_last_mark, request_id, undisturbed

Line = tuple[int, str, str, Mapping[str, Any]]


def told(hub: MergingShards, party: str, shard: int) -> list[Line]:
    """What lies on a partition of the party's output; an event is named with its key, since it may stand under two."""
    lines: list[Line] = []
    for record in hub.broker.log(hub.names.output(party), shard):
        attributes = parse_disclosed(record.headers)
        payload = codec().decode(record.value).payload if record.value else {}
        named = f"{(record.key or b'').decode()} {attributes.party}/{attributes.id}"
        present = {name: value for name, value in payload.items() if value is not None}
        lines.append((attributes.number, attributes.effect, named, present))
    return lines


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13, 40])
@pytest.mark.parametrize("shards_of", [SAME_SHARD, ACROSS], ids=["same shard", "across shards"])
def test_whoever_lost_everything_holds_what_an_undisturbed_receiver_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shards_of: Mapping[str, int], steps: int
) -> None:
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    monkeypatch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", 1)
    monkeypatch.setattr(resyncing, "RESYNC_CASES_MAX", 1)
    hub = MergingShards(tmp_path, shards_of)
    imprisoned(hub, LOSER)
    dated(hub, LOSER)
    consented(hub, LOSER)
    opened(hub, WINNER)
    hub.settle()
    hour(hub)
    hub.merge(LOSER, WINNER)
    for _ in range(steps):
        hub.step()
    for party in hub.parties:
        for shard in range(PARTITIONS):
            hub.control.publish(shard, REQUEST, {"party": party, "requestId": request_id(party)})
    for _ in range(steps):
        hub.step()
    hub.restart(0)
    hub.settle()
    for shard in range(PARTITIONS):
        assert {last.step for last in hub.stores[shard].resyncs().values()} == {COMPLETED}
        for party in hub.parties:
            lines = told(hub, party, shard)
            assert after_the_last_mark(lines) == undisturbed(lines), (party, shard)

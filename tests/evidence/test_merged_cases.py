"""Two cases become one and part again: asked afterwards, evidence says of every moment what was held at that moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.evidence.disclosures import seen_between
from hub.evidence.replay import replay
from tests.evidence.story import explained_fields
from tests.shard.merging import (
    ACROSS,
    LOSER,
    SAME_SHARD,
    WINNER,
    MergingShards,
    consented,
    dated,
    hour,
    imprisoned,
    opened,
    withdrawn,
)

Held = dict[str, dict[str, set[str]]]
"""Party -> event id -> the fields that it holds."""


def held(hub: MergingShards, case_id: str) -> Held:
    found: Held = {}
    for party in hub.parties:
        both = hub.held(party, case_id) | hub.held(party, case_id, of_the_hub=True)
        found[party] = {
            event_id: {name for name, value in payload.items() if value is not None}
            for event_id, payload in both.items()
            if not event_id.startswith(f"{party}/")
        }
    return found


@pytest.mark.parametrize("shards_of", [SAME_SHARD, ACROSS], ids=["same shard", "across shards"])
def test_every_moment_of_a_merge_and_its_end_is_replayed_as_it_was(tmp_path: Path, shards_of: dict[str, int]) -> None:
    hub = MergingShards(tmp_path, shards_of)
    moments: list[tuple[int, dict[str, Held]]] = []

    def look() -> None:
        hub.settle()
        moments.append((hub.now, {case_id: held(hub, case_id) for case_id in (LOSER, WINNER)}))
        hour(hub)

    imprisoned(hub, LOSER)
    dated(hub, LOSER)
    opened(hub, WINNER)
    look()
    consented(hub, LOSER, ("A.JOB", "A.SOC"))
    look()
    hub.merge()
    look()
    dated(hub, WINNER, day=20_310, reference="again")
    look()
    hub.unlink()
    look()
    withdrawn(hub, LOSER)
    look()
    for case_id in (LOSER, WINNER):
        shard = hub.shards[shards_of[case_id]]
        reader, policies = shard.cases.reader, shard.cases.policies
        records = list(hub.stores[shards_of[case_id]].case_records(case_id))
        for at, was_held in moments:
            then = replay(records, case_id, reader, at)
            for party in hub.parties:
                shown = explained_fields(then, party, at, policies, reader)
                others = {event: fields for event, fields in shown.items() if not event.startswith(f"{party}/")}
                assert others == was_held[case_id][party], (case_id, at, party)
            seen = seen_between(replay(records, case_id, reader), reader, lambda _: policies, at, at + 1)  # noqa: B023
            by_party: Held = {party: {} for party in hub.parties}
            for each in seen:
                if each.until is None or each.until > at:
                    by_party[each.party][each.event_id] = set(each.fields)
            assert by_party == was_held[case_id], (case_id, at)

"""What auditors and operators see of a resync."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.evidence.replay import replay
from hub.shard import settling
from tests.shard.harness import CASE, HOUR_MS, ShardUnderTest
from tests.shard.resyncs import PARTY, ask, two_citizens
from tests.shard.test_disclosing import withdrawn


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    return two_citizens(tmp_path)


def test_an_auditor_sees_what_was_told_again(hub: ShardUnderTest) -> None:
    ask(hub, PARTY)
    hub.settle()
    withdrawn(hub)
    hub.settle()
    facts = replay(hub.store.case_records(CASE), CASE, hub.shard.cases.reader).facts
    (custody,) = (fact for fact in facts if fact.event_type == "ImprisonmentStarted")
    told = [(bool(one.shown), one.again) for one in custody.tellings if one.party == PARTY and one.number]
    assert told == [(True, False), (True, True), (False, False)]


def test_the_metrics_show_which_resyncs_are_open_and_since_when(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "DUE_CASES_MAX", 0)
    ask(hub, PARTY)
    hub.shard.step(0.0)
    hub.tick(HOUR_MS)
    hub.shard.step(0.0)

    def shown(name: str, party: str) -> float | None:
        return hub.shard.metrics.registry.get_sample_value(name, {"shard": "0", "party": party})

    assert (shown("hub_resyncs_open", PARTY), shown("hub_resync_seconds", PARTY)) == (1, 3_600)
    assert (shown("hub_resyncs_open", "PRI"), shown("hub_resync_seconds", "PRI")) == (0, 0)
    monkeypatch.undo()
    hub.tick(HOUR_MS)
    hub.settle()
    assert (shown("hub_resyncs_open", PARTY), shown("hub_resync_seconds", PARTY)) == (0, 0)

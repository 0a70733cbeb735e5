"""An error while deciding one case: nothing of that case leaves, it is counted, the others go on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from hub.consent.decision import Decider
from hub.shard.settling import UNDECIDED_RETRY_MS
from tests.shard.harness import OTHER_CASE, ShardUnderTest, imprisonment


def test_a_case_that_cannot_be_decided_lets_nothing_out_and_heals_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.enrol(OTHER_CASE)
    hub.settle()
    decided = Decider.decided

    def failing(decider: Decider, outline: Any) -> Any:
        if outline.references.get("collectedBy") == "A.SOC":
            raise ZeroDivisionError("Kirsten Hansen")
        return decided(decider, outline)

    monkeypatch.setattr(Decider, "decided", failing)
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    refused = {
        "consentId": OTHER_CASE, "at": hub.now, "collectedBy": "A.SOC", "collector": "s1", "categories": ["HO"],
        "sources": ["PRI"], "recipients": ["A.SOC"], "purposes": ["SOCIAL_SUPPORT"],
    }  # fmt: skip
    asked = hub.state("A.SOC", "ConsentRequested", refused, "asked")
    elsewhere = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "other", case_id=OTHER_CASE)
    with caplog.at_level(logging.ERROR):
        hub.settle()
    assert [line[2] for line in hub.told("A.SOC")] == [elsewhere]
    assert hub.shard.metrics.undecided._value.get() == 1
    assert "ZeroDivisionError" in caplog.text
    assert "Kirsten" not in caplog.text

    monkeypatch.undo()
    hub.tick(UNDECIDED_RETRY_MS)
    hub.settle()
    assert set(hub.view("A.SOC")) == {start, asked, elsewhere}

"""What is owed of emergency access, as the operator counts and lists it: nobody is named, and nothing is forgotten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from deploy import emergency_command
from deploy.emergency_command import OPERATOR_KINDS, emergency, owed_in
from hub.store.reader import ShardReader
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, ShardUnderTest
from tests.shard.reminding import local, until

REQUEST = "c0000000-0000-4000-8000-000000000006"
SAID = {"requestId": REQUEST, "party": "A.SOC", "user": "u1"}
BOTH = {("REVIEW_OVERDUE", "pending"): 1, ("CITIZEN_NOTICE_OVERDUE", "pending"): 1}


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, ("PRI", "A.SOC", "A.ADD", "PSY"))
    hub.enrol()
    hub.settle()
    hub.now = local(2025, 2, 1)
    hub.tick()
    return hub


def ask(hub: ShardUnderTest, party: str = "A.SOC") -> str:
    asked = {
        **SAID,
        "party": party,
        "at": hub.now,
        "categories": ["RI"],
        "reason": "OVERDOSE",
        "justification": "the citizen has been found unconscious in the flat",
        "expiresAt": hub.now + 9 * HOUR_MS,
    }
    return hub.state(party, "BreakGlassRequested", asked, "glass")


def grant(hub: ShardUnderTest) -> str:
    return hub.state("PRI", "BreakGlassGranted", {**SAID, "at": hub.now, "grantedBy": "PRI"}, "granted")


def take_back(hub: ShardUnderTest, party: str, event_id: str) -> None:
    target = event_id.rpartition("/")[2]
    retraction = {"targetEventId": target, "at": hub.now, "reason": "NOT_OCCURRED"}
    hub.state(party, "EventRetracted", retraction, f"taken back {party}")


def review(hub: ShardUnderTest) -> str:
    told = {"subjectNotifiedAt": hub.now, "outcome": "JUSTIFIED", "at": hub.now, "user": "u2", "grantedBy": "PRI"}
    return hub.state("A.SOC", "BreakGlassReviewed", {**SAID, **told}, "review")


def test_reviews_are_counted_pending_and_overdue_without_a_word_on_whom(hub: ShardUnderTest) -> None:
    ask(hub)
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {}, "nobody has granted it"
    grant(hub)
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == BOTH
    until(hub, hub.now + 8 * DAY_MS)
    hub.restart()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {("REVIEW_OVERDUE", "overdue"): 1, ("CITIZEN_NOTICE_OVERDUE", "pending"): 1}
    review(hub)
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {}


@pytest.mark.parametrize("who", ["A.SOC", "PRI"])
@pytest.mark.parametrize("after_ms", [1_000, HOUR_MS], ids=["within the minute", "an hour later"])
def test_who_takes_emergency_access_back_after_it_was_granted_still_owes_its_review(
    hub: ShardUnderTest, who: str, after_ms: int
) -> None:
    events = {"A.SOC": ask(hub)}
    hub.tick(1_000)
    hub.settle()
    events["PRI"] = grant(hub)
    hub.tick(after_ms)
    hub.settle()
    take_back(hub, who, events[who])
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == BOTH
    hub.restart()
    until(hub, hub.now + 8 * DAY_MS)
    assert counted(hub) == {("REVIEW_OVERDUE", "overdue"): 1, ("CITIZEN_NOTICE_OVERDUE", "pending"): 1}
    review(hub)
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {}, "what was taken back can be reviewed"


def test_what_is_granted_at_once_and_taken_back_within_the_minute_is_owed(hub: ShardUnderTest) -> None:
    asked = ask(hub, "PSY")
    hub.tick(1_000)
    hub.settle()
    take_back(hub, "PSY", asked)
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == BOTH


def test_what_was_taken_back_before_anybody_granted_it_needs_no_review(hub: ShardUnderTest) -> None:
    asked = ask(hub)
    hub.tick(1_000)
    hub.settle()
    take_back(hub, "A.SOC", asked)
    hub.tick(1_000)
    hub.settle()
    grant(hub)
    hub.settle()
    until(hub, hub.now + HOUR_MS)
    assert counted(hub) == {}


def test_what_is_owed_is_listed_by_case_with_its_due_time(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(hub)
    grant(hub)
    hub.settle()
    assert listed(hub, monkeypatch) == "nothing is owed\n"
    until(hub, hub.now + 8 * DAY_MS)
    overdue, pending = owed_in(0, hub.store)
    assert (overdue.case, overdue.owed, overdue.is_overdue) == (CASE, OPERATOR_KINDS["REVIEW_OVERDUE"], True)
    assert (pending.owed, pending.is_overdue) == (OPERATOR_KINDS["CITIZEN_NOTICE_OVERDUE"], False)
    assert listed(hub, monkeypatch).splitlines() == [
        f"a review, overdue since 2025-02-07T23:00+00:00; case {CASE}, shard 0",
        f"that the citizen is told, due 2025-02-14T23:00+00:00; case {CASE}, shard 0",
    ]
    assert [each["is_overdue"] for each in json.loads(listed(hub, monkeypatch, "--json"))] == [True, False]


def listed(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch, *options: str) -> str:
    @contextmanager
    def opened(_world: object) -> Iterator[list[ShardReader]]:
        yield [hub.store]

    monkeypatch.setattr(emergency_command, "World", Mock())
    monkeypatch.setattr(emergency_command, "opened_stores", opened)
    ran = CliRunner().invoke(emergency, ["list", *options])
    assert ran.exit_code == 0, ran.output
    return ran.output


def counted(hub: ShardUnderTest) -> dict[tuple[str, str], int]:
    """What is owed, as the metrics count it, zeros left out."""
    return {
        (kind, state): int(count)
        for kind in ("REVIEW_OVERDUE", "CITIZEN_NOTICE_OVERDUE")
        for state in ("pending", "overdue")
        if (count := hub.shard.metrics.open_reviews.labels(0, kind, state)._value.get())
    }

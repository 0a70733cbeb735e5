"""Who is reminded of what: plan, coordinator, emergency access and overlapping efforts, through the real shard."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contracts.fact import ce_id_of
from hub.shard.reminders import MINUTE_MS
from tests.shard.harness import DAY_MS, HOUR_MS, ShardUnderTest
from tests.shard.reminding import (
    CUSTODY,
    PARTIES,
    UUID,
    imprisoned,
    local,
    reminders,
    until,
    who_is_reminded,
)


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.settle()
    return hub


def test_a_plan_that_is_not_agreed_in_four_weeks_reminds_the_prison_and_who_coordinates_with_it(
    hub: ShardUnderTest,
) -> None:
    start = imprisoned(hub)
    hub.settle()
    due = local(2025, 2, 4)
    until(hub, due - 1)
    assert who_is_reminded(hub, "SENTENCE_PLAN_MISSING") == []
    until(hub, due)
    assert who_is_reminded(hub, "SENTENCE_PLAN_MISSING") == ["PRI", "A.SOC"]
    assert reminders(hub, "PRI")["SENTENCE_PLAN_MISSING"] == (due, [ce_id_of(start)])
    plan = {"planId": UUID(4), "version": 1, "agreedAt": hub.now, "citizenAgrees": True, "items": []}
    hub.state("PRI", "SentencePlanAgreed", plan, "plan")
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert who_is_reminded(hub, "SENTENCE_PLAN_MISSING") == []


def test_a_missing_coordinator_is_told_at_noon_three_months_before_release_and_follows_a_changed_date(
    hub: ShardUnderTest,
) -> None:
    imprisoned(hub)
    for party in ("A.SOC", "A.JOB"):
        hub.state(party, "CaseOpened", {"caseNo": "1", "at": hub.now}, f"case {party}")
    set_on = {"custodyId": CUSTODY, "releaseDate": date(2025, 9, 1), "kind": "PAROLE"}
    planned = hub.state("PRI", "ReleaseDateSet", set_on, "date")
    hub.settle()
    due = local(2025, 6, 3, 12)
    until(hub, due - 1)
    assert who_is_reminded(hub, "COORDINATOR_MISSING") == []
    until(hub, due)
    assert who_is_reminded(hub, "COORDINATOR_MISSING") == ["PRI", "A.SOC"]
    assert reminders(hub, "A.SOC")["COORDINATOR_MISSING"] == (due, [ce_id_of(planned)])
    changed = {"custodyId": CUSTODY, "releaseDate": date(2025, 12, 1), "kind": "PAROLE"}
    hub.tick(1_000)
    moved = hub.state("PRI", "ReleaseDateChanged", changed, "moved")
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert who_is_reminded(hub, "COORDINATOR_MISSING") == []
    until(hub, local(2025, 9, 2, 12))
    assert reminders(hub, "A.SOC")["COORDINATOR_MISSING"] == (local(2025, 9, 2, 12), [ce_id_of(moved)])
    hub.state("A.SOC", "CoordinatorAssigned", {"coordinator": "s1", "party": "A.SOC", "at": hub.now}, "assigned")
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert who_is_reminded(hub, "COORDINATOR_MISSING") == []


def test_emergency_access_without_review_reminds_who_asked_and_who_holds_and_ends_with_the_review(
    hub: ShardUnderTest,
) -> None:
    hub.state("A.ADD", "OutreachContactMade", {"contactId": UUID(5), "at": hub.now, "setting": "STREET"}, "outreach")
    asked = {
        "requestId": UUID(6),
        "at": hub.now,
        "party": "PSY",
        "user": "u1",
        "categories": ["SU"],
        "reason": "OVERDOSE",
        "justification": "the citizen has been found unconscious in the flat",
        "expiresAt": hub.now + HOUR_MS,
    }
    hub.state("PSY", "BreakGlassRequested", asked, "glass")
    at = hub.now
    hub.settle()
    until(hub, at + 7 * DAY_MS)
    assert who_is_reminded(hub, "REVIEW_OVERDUE") == [], "a review at the very end is in time"
    until(hub, at + 7 * DAY_MS + MINUTE_MS)
    assert who_is_reminded(hub, "REVIEW_OVERDUE") == ["PSY", "A.ADD"]
    assert who_is_reminded(hub, "CITIZEN_NOTICE_OVERDUE") == []
    until(hub, at + 14 * DAY_MS + MINUTE_MS)
    assert who_is_reminded(hub, "CITIZEN_NOTICE_OVERDUE") == ["PSY", "A.ADD"]
    review = {"requestId": UUID(6), "at": hub.now, "party": "PSY", "user": "u2", "outcome": "JUSTIFIED"}
    hub.state("PSY", "BreakGlassReviewed", review, "review")
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert who_is_reminded(hub, "REVIEW_OVERDUE") == []
    assert who_is_reminded(hub, "CITIZEN_NOTICE_OVERDUE") == ["PSY", "A.ADD"], "the review does not say so"
    told_at = hub.now + 3 * DAY_MS
    hub.state("PSY", "BreakGlassReviewed", review | {"subjectNotifiedAt": told_at}, "the citizen is told in three days")
    hub.settle()
    until(hub, told_at - MINUTE_MS)
    assert who_is_reminded(hub, "CITIZEN_NOTICE_OVERDUE") == ["PSY", "A.ADD"]
    until(hub, told_at)
    assert who_is_reminded(hub, "CITIZEN_NOTICE_OVERDUE") == [], "it is taken back when that time comes, by itself"


def test_the_hub_finds_efforts_that_overlap_for_who_is_shown_both(hub: ShardUnderTest) -> None:
    imprisoned(hub)
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "case")
    mentor = {"activityId": UUID(7), "mentor": "m1", "provider": "A.JOB", "at": hub.now}
    one = hub.state("A.JOB", "MentorAssigned", mentor, "mentor")
    work = {"activityId": UUID(8), "kind": "PRISON_WORK", "at": hub.now}
    other = hub.state("PRI", "EmploymentStarted", work, "work")
    hub.settle()
    due = local(2025, 1, 7)
    until(hub, due - 1)
    assert who_is_reminded(hub, "EFFORTS_OVERLAP") == []
    until(hub, due)
    assert who_is_reminded(hub, "EFFORTS_OVERLAP") == ["A.SOC"], "the prison may not see the mentor, nor A.JOB the work"
    assert set(reminders(hub, "A.SOC")["EFFORTS_OVERLAP"][1]) == {ce_id_of(one), ce_id_of(other)}
    both = {
        "overlapId": UUID(9),
        "domain": "EMPLOYMENT",
        "efforts": [UUID(7), UUID(8)],
        "providers": ["A.JOB", "PRI"],
        "at": hub.now,
        "resolution": "BOTH_JUSTIFIED",
    }
    hub.state("A.SOC", "OverlapResolved", both, "resolved")
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert who_is_reminded(hub, "EFFORTS_OVERLAP") == []

"""What is owed of emergency access once it was granted: a review, and to tell the citizen; whatever is taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.fact import Fact
from hub.continuity.case import DAY_MS, HOUR_MS, Known, KnownCase
from hub.continuity.clocks import owed_for_emergencies
from hub.continuity.emergency import requests
from hub.continuity.granted_access import granted_requests
from hub.continuity.terms import terms
from tests.consent.test_borrowed_ids import asked as request_of
from tests.consent.test_borrowed_ids import correction, retraction
from tests.consent.test_hostile_facts import ADULT, POLICY, at, fact
from tests.work import lines_run

REVIEW, NOTICE = "REVIEW_OVERDUE", "CITIZEN_NOTICE_OVERDUE"
LATER = "2025-06-20T10:00"
SAID = {"requestId": "r1", "party": "KIF", "user": "u1"}
ASKED = request_of("r1", "KIF", "2025-05-12T09:00", user="u1")
AT_ONCE = request_of("r1", "PSY", "2025-05-12T09:00", user="u1")
GRANTED = fact("g", "BreakGlassGranted", "PHE", "2025-05-12T10:00", **SAID)
AFTER = "2025-05-12T11:00"
ENDED_BEFORE = fact("z", "BreakGlassEnded", "KIF", "2025-05-12T09:30", **SAID)._replace(recorded_at=at(AFTER))


def known(*facts: Fact) -> list[Known]:
    died = {each.corrects: each.recorded_at for each in facts if each.corrects is not None}
    for each in facts:
        if each.event_type == "EventRetracted":
            died[f"{each.party}/{each.payload['targetEventId']}"] = each.recorded_at
    return [Known(each, died.get(each.event_id)) for each in facts]


def case_of(*facts: Fact, when: str | int = LATER) -> KnownCase:
    instant = at(when) if isinstance(when, str) else when
    return KnownCase.of(known(*facts), ADULT, instant, POLICY, terms())


def owed(*facts: Fact, when: str = LATER) -> dict[str, int]:
    """What is owed, by kind: the days from the request to its due instant."""
    clocks = list(owed_for_emergencies(case_of(*facts, when=when)))
    assert len({clock.kind for clock in clocks}) == len(clocks)
    return {clock.kind: (clock.due - at("2025-05-12T00:00")) // DAY_MS for clock in clocks}


TOO_LATE = "2025-05-14T09:00"
BOTH = {REVIEW: 7, NOTICE: 14}
TAKEN_BACK = {
    "request retracted": retraction(ASKED, AFTER),
    "request corrected to an incomplete one": correction("r1b", ASKED, AFTER, justification="short"),
    "request corrected to nothing that may be opened": correction("r1b", ASKED, AFTER, categories=["OF"]),
    "request corrected to have ended before": correction("r1b", ASKED, AFTER, expiresAt=at("2025-05-12T09:30")),
    "grant retracted": retraction(GRANTED, AFTER),
    "grant corrected to one for another party": correction("gb", GRANTED, AFTER, party="PSY"),
    "grant corrected to have come too late": correction("gb", GRANTED, AFTER)._replace(occurred_at=at(TOO_LATE)),
    "ended as of a time before the grant": ENDED_BEFORE,
}  # fmt: skip


@pytest.mark.parametrize("taken_back", TAKEN_BACK.values(), ids=TAKEN_BACK)
def test_whoever_takes_back_what_was_granted_owes_its_review_and_that_the_citizen_is_told(taken_back: Fact) -> None:
    assert owed(ASKED, GRANTED) == BOTH
    assert owed(ASKED, GRANTED, taken_back) == BOTH
    assert not any(each.granted_at for each in requests(case_of(ASKED, GRANTED, taken_back))), "I16 counts what is live"


@pytest.mark.parametrize("taken_back", TAKEN_BACK.values(), ids=TAKEN_BACK)
def test_a_review_and_a_notice_end_what_is_owed_also_of_what_was_taken_back(taken_back: Fact) -> None:
    review = fact("v", "BreakGlassReviewed", "KIF", "2025-05-15T10:00", **SAID | {"user": "u2"})
    told = review._replace(payload={**review.payload, "subjectNotifiedAt": at("2025-05-15T09:00")})
    assert owed(ASKED, GRANTED, taken_back, review) == {NOTICE: 14}
    assert owed(ASKED, GRANTED, taken_back, told) == {}
    assert owed(ASKED, GRANTED, taken_back, told, retraction(told, "2025-05-16T10:00")) == BOTH


def test_what_is_granted_at_once_is_owed_whatever_becomes_of_the_request() -> None:
    for taken_back in (retraction(AT_ONCE, AFTER), correction("r1b", AT_ONCE, AFTER, reason=None)):
        assert owed(AT_ONCE, taken_back) == BOTH


def test_nothing_is_owed_of_what_was_taken_back_before_it_opened_anything() -> None:
    before = "2025-05-12T09:40"
    for taken_back in (
        retraction(ASKED, before),
        correction("r1b", ASKED, before, justification="short"),
        ENDED_BEFORE._replace(recorded_at=at(before)),
    ):
        assert owed(ASKED, taken_back, GRANTED) == {}
    assert owed(ASKED, retraction(ASKED, AFTER)) == {}
    incomplete = AT_ONCE._replace(payload={**AT_ONCE.payload, "reason": None})
    assert owed(incomplete, retraction(incomplete, AFTER)) == {}


def test_an_end_that_was_taken_back_ended_nothing() -> None:
    early = ENDED_BEFORE._replace(recorded_at=at("2025-05-12T09:40"))
    lifted = retraction(early, "2025-05-12T12:00")
    assert owed(ASKED, early, GRANTED, lifted) == BOTH
    assert owed(ASKED, early, GRANTED, lifted, retraction(ASKED, "2025-05-12T13:00")) == BOTH
    assert owed(ASKED, early, GRANTED, retraction(ASKED, "2025-05-12T11:30"), lifted) == {}


def test_what_is_owed_counts_from_the_first_grant_whatever_it_is_dated_later() -> None:
    later = correction("gb", GRANTED, "2025-05-14T09:00")._replace(occurred_at=at("2025-05-13T08:00"))
    assert owed(ASKED, GRANTED, later) == BOTH


def test_a_grant_during_an_admission_opens_for_longer_and_is_owed_too() -> None:
    admitted = fact("a", "AdmissionStarted", "KIF", "2025-05-01T10:00", admissionId="a1", legalForm="VOLUNTARY")
    admitted = admitted._replace(event_id="PHE/a", party="PHE")
    asked = request_of("r1", "PHE", "2025-05-12T09:00", user="u1", expiresAt=at("2025-05-15T09:00"))
    assert owed(admitted, asked, retraction(asked, "2025-05-14T11:00")) == BOTH


def test_who_uses_the_id_of_another_request_owes_nothing_by_it() -> None:
    other = request_of("o", "A.SOC", "2025-05-12T09:10", user="u9")
    assert owed(ASKED, other, GRANTED, retraction(ASKED, AFTER)) == BOTH
    (found,) = granted_requests(case_of(ASKED, other, GRANTED, retraction(ASKED, AFTER)))
    assert (found.party, found.user) == ("KIF", "u1")


KINDS = ["ask", "correct", "spoil", "grant", "end", "end before", "review", "retract"]
CHANGES = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 5)), max_size=9)


@given(CHANGES, st.sampled_from(["KIF", "PSY"]))
def test_what_was_ever_granted_by_i16_as_known_then_is_found_and_nothing_else(
    changes: list[tuple[str, int]], party: str
) -> None:
    facts = history(changes, party)
    now = at("2025-05-12T09:00") + (len(changes) + 2) * HOUR_MS // 2
    by_i16 = [
        each.granted_at
        for instant in sorted({fact.recorded_at + shift for fact in facts for shift in (-1, 0, 1)} | {now})
        for each in requests(case_of(*(fact for fact in facts if fact.recorded_at <= instant), when=instant))
        if each.granted_at is not None
    ]
    found = granted_requests(case_of(*facts, when=now))
    assert [each.granted_at for each in found] == by_i16[:1]


def history(changes: list[tuple[str, int]], party: str) -> list[Fact]:
    """Facts on one request, half an hour apart, each made of what somebody does to the ones before."""
    facts: list[Fact] = []
    said = {**SAID, "party": party}
    for place, (what, which) in enumerate(changes):
        when = at("2025-05-12T09:00") + place * HOUR_MS // 2
        live = [one.fact for one in known(*facts) if one.until is None and one.fact.event_type != "EventRetracted"]
        asked = [each for each in live if each.event_type == "BreakGlassRequested"]
        one: Fact | None = None
        if what == "ask" and not asked:
            one = request_of(f"r{place}", party, "2025-05-12T09:00", user="u1")
        elif what in ("correct", "spoil") and asked:
            reason = "OVERDOSE" if what == "correct" else None
            one = correction(f"r{place}", asked[0], "2025-05-12T09:00", reason=reason)
        elif what == "grant":
            one = fact(f"g{place}", "BreakGlassGranted", "PHE", "2025-05-12T09:00", **said)
        elif what in ("end", "end before"):
            one = fact(f"z{place}", "BreakGlassEnded", party, "2025-05-12T09:00", **said)
        elif what == "review":
            one = fact(f"v{place}", "BreakGlassReviewed", "PHE", "2025-05-12T09:00", **said)
        elif what == "retract" and live:
            one = retraction(live[which % len(live)], "2025-05-12T09:00")
        if one is not None:
            occurred = at("2025-05-12T09:00") if what == "end before" else when
            facts.append(one._replace(occurred_at=occurred, recorded_at=when))
    return facts


@pytest.mark.parametrize("party", ["KIF", "PSY"])
def test_what_is_owed_costs_as_many_steps_as_there_are_corrections(party: str) -> None:
    def work(count: int) -> int:
        first = request_of("r0", party, "2025-05-12T09:00", user="u1", reason=None)
        facts = [first]
        for number in range(1, count):
            facts.append(
                correction(f"r{number}", facts[-1], "2025-05-12T09:00")._replace(recorded_at=first.recorded_at + number)
            )
        case = case_of(*facts)
        return lines_run(lambda: granted_requests(case))

    assert work(200) < 2.5 * work(100)

"""Amendments that only take away, those that mean another consent, and those of who may speak for a part only."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from contracts.categories import mask_of
from contracts.civil_time import day_number
from hub.consent.standing import Person
from tests.consent.test_borrowed_ids import CHILD, K1, RENAMED, SEVENTEEN, WIDER, amended, correction, shown
from tests.consent.test_hostile_facts import TALK, at, consent

SU = mask_of(["SU"])
BY_ANOTHER: dict[str, Any] = {"givenBy": "GUARDIAN"}


def test_who_could_not_give_a_consent_does_not_let_it_begin_earlier_or_last_longer() -> None:
    older = TALK._replace(event_id="A.ADD/e0", occurred_at=at("2025-01-20T10:00"), recorded_at=at("2025-01-20T10:00"))
    given = consent(dataFrom=day_number(date(2025, 2, 1)), validUntil=at("2025-03-01T00:00"))
    wider = {"dataFrom": day_number(date(2025, 1, 1)), "validUntil": at("2025-06-01T00:00")}
    by_another, by_the_giver = amended("2025-02-05T10:00", **BY_ANOTHER, **wider), amended("2025-02-05T10:00", **wider)
    assert shown([given, by_the_giver], older, "FAC", "2025-05-01T10:00") == (("C:k1", SU),)
    assert shown([given, by_another], older, "FAC", "2025-02-10T10:00") == ()
    assert shown([given, by_another], TALK, "FAC", "2025-02-28T23:59") == (("C:k1", SU),)
    assert shown([given, by_another], TALK, "FAC", "2025-03-01T00:00") == ()


@pytest.mark.parametrize("sooner", [{"validUntil": at("2025-03-01T00:00")}, {"dataFrom": day_number(date(2025, 2, 4))}])
def test_who_could_not_give_a_consent_may_still_shorten_it(sooner: dict[str, Any]) -> None:
    given = consent(dataFrom=day_number(date(2025, 2, 1)), validUntil=at("2025-06-01T00:00"))
    assert shown([given], TALK, "FAC", "2025-03-01T00:00") == (("C:k1", SU),)
    assert shown([given, amended("2025-02-05T10:00", **BY_ANOTHER, **sooner)], TALK, "FAC", "2025-03-01T00:00") == ()


def test_who_could_not_give_a_consent_does_not_make_an_oral_one_a_written_one() -> None:
    oral = consent(form="ORAL")
    assert shown([oral, amended("2025-02-05T10:00")], TALK, "FAC") == (("C:k1", SU),)
    assert shown([oral, amended("2025-02-05T10:00", **BY_ANOTHER)], TALK, "FAC") == ()


def test_who_could_not_give_a_consent_does_not_mend_an_unsound_amendment() -> None:
    unsound = amended("2025-02-05T10:00", withdrawalExplained=False)
    assert shown([K1, unsound, amended("2025-02-06T10:00", "k1c", **BY_ANOTHER)], TALK, "FAC") == ()
    assert shown([K1, unsound, amended("2025-02-06T10:00", "k1c")], TALK, "FAC") == (("C:k1", SU),)


def test_an_amendment_of_the_id_that_another_consent_bears_by_then_widens_that_one_only() -> None:
    """The first consent has another id since the twentieth; on the twenty-second its old one is given again."""
    first = consent(categories=["HO"])
    renamed = correction("k9", first, "2025-02-20T10:00", consentId="k9")
    given = at("2025-02-22T10:00")
    other = consent(categories=["HO"])._replace(event_id="A.SOC/k2", occurred_at=given, recorded_at=given)
    wide = amended("2025-02-25T10:00", dataFrom=day_number(date(2025, 2, 1)))
    assert shown([first, renamed, other, wide], TALK, "FAC") == (("C:k1", SU),)
    ended = amended("2025-02-26T10:00", "k1c", recipients=["MNT"])
    assert shown([first, renamed, other, wide, ended], TALK, "FAC") == ()


def test_an_amendment_recorded_in_the_instant_of_its_consent_counts() -> None:
    first = consent(categories=["HO"])
    assert shown([first, amended("2025-02-01T10:00")], TALK, "FAC") == (("C:k1", SU),)


def test_a_correction_of_what_is_not_on_the_timeline_stands_for_itself() -> None:
    assert shown([RENAMED], TALK, "FAC") == (("C:k9", SU),)


def test_a_young_person_widens_what_it_gave_alone_and_third_persons_stay_closed() -> None:
    person, given = Person(SEVENTEEN, "DK"), consent(givenBy="SUBJECT", categories=["HO"])
    wider = amended("2025-02-05T10:00", givenBy="SUBJECT", **WIDER)
    assert shown([given, wider], TALK, "FAC", person=person) == (("C:k1", SU),)
    assert shown([given, wider], CHILD, "FAC", person=person) == ()


def test_a_young_person_widens_what_both_gave_where_it_may_consent_alone() -> None:
    person, given = Person(SEVENTEEN, "DK"), consent(givenBy="SUBJECT_AND_GUARDIAN", categories=["HO"])
    assert shown([given, amended("2025-02-05T10:00", categories=["SU"])], TALK, "FAC", person=person) == (("C:k1", SU),)

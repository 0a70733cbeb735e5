"""Consent, condition by condition (4.4, 4.5, 4.9.9 to 4.9.11, 4.9.20).

Rules:
- A condition is a function that says yes or no; a consent permits where all of them say yes.
- The scope in force is that of the latest amendment; giver, validFrom and the day it was given never change.
- Read narrowly where 4.5 leaves room: who could not have given the amended scope that day takes away and adds nothing.
- A corrected ConsentGiven is the same consent, whatever id it had: what amends or ends one of its ids concerns it.
- Of several consents that permit, the basis is the one first given, then the lower consentId as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from typing import Final

from tests.naive import civil
from tests.naive.case import Case, Fact, municipality, role
from tests.naive.standing import responsible

PURPOSE: Final = {
    "PRI": "RELEASE_PLANNING",
    "KIF": "SUPERVISION",
    "PHE": "TREATMENT",
    "FAC": "TREATMENT",
    "SOC": "SOCIAL_SUPPORT",
    "JOB": "EMPLOYMENT",
    "BEN": "BENEFIT",
    "ADD": "TREATMENT",
    "HSG": "HOUSING",
    "CHI": "CHILD_WELFARE",
    "YTH": "EDUCATION",
    "PSY": "TREATMENT",
    "MNT": "SUPPORT",
    "VOL": "SUPPORT",
}
NEVER_ORAL: Final = ("CU", "RE", "OF", "SU", "MH", "PH", "RI")
IMPLIED: Final = {"PRI": "CU", "KIF": "CU", "PHE": "CU", "ADD": "SU", "FAC": "SU", "PSY": "MH", "CHI": "CF"}
ENDINGS: Final = ("ConsentWithdrawn", "ConsentExpired", "ConsentInvalidated")


@dataclass(frozen=True, eq=False)
class Consent:
    """One consent as it stands: what was given, in the scope of its amendments."""

    given: Fact
    categories: frozenset[str]
    sources: frozenset[str]
    recipients: frozenset[str]
    purposes: frozenset[str]
    form: str
    data_from: int
    valid_until: int | None
    ended: bool = False

    @property
    def id(self) -> str:
        """The consent's own id."""
        return str(self.given["consentId"])

    @property
    def start(self) -> int:
        """When it begins to apply."""
        return int(self.given["validFrom"])


def _as_given(case: Case, given: Fact) -> Consent:
    return Consent(
        given,
        categories=frozenset(given["categories"]),
        sources=frozenset(given["sources"]),
        recipients=frozenset(given["recipients"]),
        purposes=frozenset(given["purposes"]),
        form=str(given["form"]),
        data_from=civil.day_of(given.occurred, case.zone) if given["dataFrom"] is None else given["dataFrom"],
        valid_until=given["validUntil"],
    )


def _replaced(one: Consent, by: Fact) -> Consent:
    """An amendment replaces the whole scope and form; dataFrom and validUntil stay unless stated (4.9.10)."""
    return replace(
        one,
        categories=frozenset(by["categories"]),
        sources=frozenset(by["sources"]),
        recipients=frozenset(by["recipients"]),
        purposes=frozenset(by["purposes"]),
        form=str(by["form"]),
        data_from=one.data_from if by["dataFrom"] is None else by["dataFrom"],
        valid_until=one.valid_until if by["validUntil"] is None else by["validUntil"],
    )


def _common(one: Consent, by: Fact) -> Consent:
    """What was given and the amendment leaves."""
    other = _replaced(one, by)
    ends = [end for end in (one.valid_until, other.valid_until) if end is not None]
    return replace(
        one,
        categories=one.categories & other.categories,
        sources=one.sources & other.sources,
        recipients=one.recipients & other.recipients,
        purposes=one.purposes & other.purposes,
        form="ORAL" if "ORAL" in (one.form, other.form) else other.form,
        data_from=max(one.data_from, other.data_from),
        valid_until=min(ends, default=None),
    )


def _could_give(case: Case, one: Consent, amendment: Fact) -> bool:
    """4.5 of the day of the amendment, and CF of a minor (4.9.11) where the consent opens it."""
    giver, day = amendment["givenBy"], max(amendment.occurred, one.given.occurred)
    adds_children = "CF" in amendment["categories"] and one.given["givenBy"] == "SUBJECT_AND_GUARDIAN"
    needs_both = adds_children and not case.age_reached(18, day)
    return _may_give(case, giver, day) and (giver == "SUBJECT_AND_GUARDIAN" or not needs_both)


def _may_give(case: Case, giver: object, at: int) -> bool:
    """Who may give a consent at which age (4.5, 4.9.20)."""
    if not case.age_reached(15, at):
        return giver in ("GUARDIAN", "BOTH_GUARDIANS")
    if not case.age_reached(18, at):
        return giver in ("SUBJECT", "SUBJECT_AND_GUARDIAN")
    return giver in ("SUBJECT", "SUBJECT_AND_GUARDIAN", "LEGAL_REPRESENTATIVE")


def _revisions(case: Case, given: Fact) -> list[Fact]:
    """The consent as it is stated now, what that corrects, and so on."""
    corrects = {fact.key: f"{fact.party}/{stated.corrects}" for stated, fact in case.known if stated.corrects}
    known = {fact.key: fact for _, fact in case.known}
    found = [given]
    while found[-1].key in corrects and corrects[found[-1].key] in known:
        found.append(known[corrects[found[-1].key]])
    return found


def _consent_of(case: Case, given: Fact) -> Consent:
    revisions = _revisions(case, given)
    ids = {fact["consentId"] for fact in revisions}
    first = min(fact.recorded for fact in revisions)
    one = _as_given(case, given)
    for fact in case.of_kind("ConsentAmended"):
        # An amendment recorded before its ConsentGiven is parked (4.9.20); before the first statement of it, that is.
        if fact["consentId"] in ids and fact.recorded >= first:
            one = (_replaced if _could_give(case, one, fact) else _common)(one, fact)
    return replace(one, ended=any(fact["consentId"] in ids for fact in case.of_kind(*ENDINGS)))


@lru_cache(maxsize=64)
def consents(case: Case) -> tuple[Consent, ...]:
    """Every consent, the one first given first."""
    found = [_consent_of(case, given) for given in case.of_kind("ConsentGiven")]
    return tuple(sorted(found, key=lambda one: (one.given.occurred, one.id)))


def consent(case: Case, consent_id: str) -> Consent | None:
    """Return the consent of this id, where it is known."""
    return next((one for one in consents(case) if one.id == consent_id), None)


# --- whether it is active at all


def not_ended(case: Case, one: Consent) -> bool:
    """A withdrawn consent cannot be amended back (4.9.10)."""
    return not one.ended


def begun(case: Case, one: Consent) -> bool:
    """Active from validFrom."""
    return one.start <= case.at


def within_validity(case: Case, one: Consent) -> bool:
    """T < validUntil, where one is stated."""
    return one.valid_until is None or case.at < one.valid_until


def within_the_year(case: Case, one: Consent) -> bool:
    """The year runs from the local day of the ConsentGiven's validFrom; no amendment moves it (4.9.10)."""
    first = civil.FIRST_DAY + timedelta(days=civil.day_of(one.start, case.zone))
    last = civil.months_later(first, 12)
    return case.at < civil.midnight((last - civil.FIRST_DAY).days, case.zone)


def valid_giver(case: Case, one: Consent) -> bool:
    """Who may give it at which age (4.5, 4.9.20)."""
    return _may_give(case, one.given["givenBy"], one.given.occurred)


def not_outgrown(case: Case, one: Consent) -> bool:
    """Guardian consents given before 15 lapse on the 15th birthday (4.5)."""
    given_before_15 = not case.age_reached(15, one.given.occurred)
    return not (given_before_15 and case.age_reached(15))


ACTIVE: Final[Mapping[str, Callable[[Case, Consent], bool]]] = {
    "C ended": not_ended,
    "C not begun": begun,
    "C validUntil": within_validity,
    "C year": within_the_year,
    "C giver": valid_giver,
    "C 15th birthday": not_outgrown,
}


def active(case: Case, one: Consent) -> bool:
    """Whether the consent is valid and in force."""
    return all(holds(case, one) for holds in ACTIVE.values())


# --- what it opens of one fact to one receiver


def cf_closed(case: Case, one: Consent, category: str) -> bool:
    """CF of a minor only by SUBJECT_AND_GUARDIAN; turning 18 later does not mend it (4.9.11)."""
    given_by_minor = not case.age_reached(18, one.given.occurred)
    return category == "CF" and given_by_minor and one.given["givenBy"] != "SUBJECT_AND_GUARDIAN"


@lru_cache(maxsize=4096)
def _responsible_at_start(case: Case, start: int) -> str | None:
    return responsible(case.as_known_at(start))


def lost_after_move(case: Case, one: Consent, receiver: str) -> bool:
    """A municipality that was responsible at the consent's start, as known then, and no longer is (4.4, 4.9.10)."""
    own = municipality(receiver)
    return own is not None and _responsible_at_start(case, one.start) == own and responsible(case) != own


def oral_closed(case: Case, one: Consent, fact: Fact, category: str) -> bool:
    """ORAL opens none of CU, RE, OF, SU, MH, PH, RI, and in SE nothing stated by PRI, KIF or PHE."""
    swedish_prison = case.history.jurisdiction == "SE" and fact.role in ("PRI", "KIF", "PHE")
    return one.form == "ORAL" and (category in NEVER_ORAL or swedish_prison)


def before_data_from(case: Case, one: Consent, fact: Fact) -> bool:
    """Default dataFrom = 00:00 local of the day on which the ConsentGiven occurred (4.9.10)."""
    return fact.occurred < civil.midnight(one.data_from, case.zone)


def implied_missing(one: Consent, fact: Fact) -> bool:
    """L2: the producer itself reveals a category, which the consent must cover."""
    implied = IMPLIED.get(fact.role)
    return implied is not None and implied not in one.categories


def failing(case: Case, one: Consent, fact: Fact, receiver: str, category: str) -> list[str]:
    """Name every condition that keeps this consent from opening this category; none: it permits."""
    failed = [name for name, holds in ACTIVE.items() if not holds(case, one)]
    if PURPOSE.get(role(receiver)) not in one.purposes:
        failed.append("C purpose")
    if category not in one.categories or category == "CO":
        failed.append("C category")
    if before_data_from(case, one, fact):
        failed.append("C dataFrom")
    if implied_missing(one, fact):
        failed.append("L2")
    if oral_closed(case, one, fact, category):
        failed.append("C oral")
    if cf_closed(case, one, category):
        failed.append("C CF of a minor")
    if lost_after_move(case, one, receiver):
        failed.append("C moved")
    return failed

"""Consent, condition by condition (4.4, 4.5, 4.9.9 to 4.9.11, 4.9.20).

Rules:
- A condition is a function that says yes or no; a consent permits where all of them say yes.
- The scope in force is that of the latest amendment; giver, validFrom and the day it was given never change.
- Of several consents that permit, the basis is the one first given, then the lower consentId as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from tests.naive import civil
from tests.naive.case import Case, Fact, municipality, named, role
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
    """One consent as it stands: what was given, in the scope of its latest amendment."""

    given: Fact
    scope: Fact
    data_from: int | None
    valid_until: int | None
    ended: bool

    @property
    def id(self) -> str:
        """The consent's own id."""
        return str(self.given["consentId"])

    @property
    def categories(self) -> list[str]:
        """What may be shared."""
        return list(self.scope["categories"])

    @property
    def recipients(self) -> list[str]:
        """Who may be shown it."""
        return list(self.scope["recipients"])

    @property
    def sources(self) -> list[str]:
        """Whose data may be shown."""
        return list(self.scope["sources"])

    @property
    def purposes(self) -> list[str]:
        """What for."""
        return list(self.scope["purposes"])

    @property
    def form(self) -> str:
        """How it was given, or amended."""
        return str(self.scope["form"])

    @property
    def start(self) -> int:
        """When it begins to apply."""
        return int(self.given["validFrom"])


def _consent_of(case: Case, given: Fact) -> Consent:
    # An amendment recorded before its ConsentGiven is parked (4.9.20); before the first statement of it, that is.
    stated = [
        fact.recorded
        for _, fact in case.known
        if fact.kind == "ConsentGiven" and fact["consentId"] == given["consentId"]
    ]
    amendments = [
        fact
        for fact in named(case.of_kind("ConsentAmended"), "consentId", given["consentId"])
        if fact.recorded >= min(stated)
    ]
    scopes = [given, *amendments]
    stated_from = [scope["dataFrom"] for scope in scopes if scope["dataFrom"] is not None]
    stated_until = [scope["validUntil"] for scope in scopes if scope["validUntil"] is not None]
    return Consent(
        given,
        scopes[-1],
        stated_from[-1] if stated_from else None,
        stated_until[-1] if stated_until else None,
        any(True for _ in named(case.of_kind(*ENDINGS), "consentId", given["consentId"])),
    )


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
    giver, given_at = one.given["givenBy"], one.given.occurred
    if not case.age_reached(15, given_at):
        return giver in ("GUARDIAN", "BOTH_GUARDIANS")
    if not case.age_reached(18, given_at):
        return giver in ("SUBJECT", "SUBJECT_AND_GUARDIAN")
    return giver in ("SUBJECT", "SUBJECT_AND_GUARDIAN", "LEGAL_REPRESENTATIVE")


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
    day = civil.day_of(one.given.occurred, case.zone) if one.data_from is None else one.data_from
    return fact.occurred < civil.midnight(day, case.zone)


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

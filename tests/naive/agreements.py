"""The strands of consent: given in all forms by all givers, amended, refused, withdrawn; joint plans that rest on it.

Rules: as in `strands`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.consent.production import Stated
from tests.naive import civil
from tests.naive.case import role
from tests.naive.consents import PURPOSE
from tests.naive.payloads import number
from tests.naive.story import MINUTE, Story

CATEGORIES = ("CU", "RE", "OF", "PL", "HO", "AD", "FI", "EM", "ED", "SU", "MH", "PH", "CF", "NW", "RI", "CA")
GIVERS = ("SUBJECT", "GUARDIAN", "BOTH_GUARDIANS", "SUBJECT_AND_GUARDIAN", "LEGAL_REPRESENTATIVE")


def consent(story: Story) -> None:
    """One to four consents, each with its own fate."""
    private(story)
    protected_address(story)
    for _ in range(story.chance.choice((1, 2, 2, 3, 4))):
        given = give(story)
        if story.happens(0.5):
            joint_plan(story, given)
        change(story, given)
        if story.happens(0.3):
            kind = story.chance.choice(("ConsentWithdrawn", "ConsentWithdrawn", "ConsentInvalidated", "ConsentExpired"))
            at = story.after(given.occurred_at, 200)
            story.say(
                kind, story.chance.choice((*story.speakers, "HUB")), at, given, consentId=given.payload["consentId"]
            )


def private(story: Story) -> None:
    """Helpers outside the authorities are to hear of custody, and of more than they may ever know."""
    helpers = [party for party in story.parties if role(party) in ("MNT", "VOL", "HSG", "FAC")]
    if story.happens(0.6):
        given = give(
            story, categories=["CU", "OF", "HO", "AD", "SU", "FI", "RI", "MH", "NW", "RE"], recipients=helpers,
            purposes=["SUPPORT", "TREATMENT", "HOUSING", "JOINT_PLANNING"], form="WRITTEN",
        )  # fmt: skip
        joint_plan(story, given)


def protected_address(story: Story) -> None:
    """Consent to an address that may be protected."""
    if story.happens(0.3):
        give(
            story, categories=["AD", "HO"], recipients=["KIF", *story.some(1, 3)], form="WRITTEN",
            purposes=["SUPERVISION", "HOUSING", "SUPPORT", "BENEFIT"],
            sources=[party for party in story.parties if role(party) == "SOC"],
        )  # fmt: skip


def scope(story: Story) -> dict[str, Any]:
    """What is shared, whose, with whom, what for."""
    chance, recipients = story.chance, story.some(2, 8)
    purposes = {PURPOSE[role(party)] for party in recipients if role(party) in PURPOSE and story.happens(0.85)}
    if story.happens(0.6):
        purposes.add("JOINT_PLANNING")
    if story.happens(0.1):
        purposes |= {"EVALUATION", "GOVERNANCE", "OPERATION"}
    categories = chance.sample(CATEGORIES, chance.randint(4, 15))
    return {
        "categories": [*categories, "CO"] if story.happens(0.05) else categories,
        "sources": story.some(4, 12),
        "recipients": recipients,
        "purposes": sorted(purposes) or ["SUPPORT"],
        "form": chance.choice(("WRITTEN", "WRITTEN", "DIGITAL", "ORAL")),
        "guardians": None,
    }


def give(story: Story, **fixed: Any) -> Stated:
    """A ConsentGiven; mostly by who may give it at that age."""
    chance, at = story.chance, story.moment(0, 260)
    age = 15 if civil.birthday(story.born, 15, story.zone) > at else 18
    proper = ("GUARDIAN", "BOTH_GUARDIANS") if age == 15 else ("SUBJECT", "SUBJECT", "SUBJECT_AND_GUARDIAN")
    starts = at + chance.choice((0, 0, 0, 0, -20, -2, 3, 30)) * 1440 * MINUTE
    given = story.say(
        "ConsentGiven", chance.choice(story.speakers), at, **{**scope(story), **fixed}, consentId=number(chance),
        givenBy=chance.choice(proper if story.happens(0.85) else GIVERS), validFrom=starts,
        dataFrom=chance.choice((None, story.day(at, -300, -300, -100, -10, 0, 5), story.day(at, -300, -60))),
        validUntil=chance.choice((None, None, None, story.after(starts, 200))),
    )  # fmt: skip
    story.look(starts)
    story.look(given.payload.get("validUntil") or starts)
    first = civil.FIRST_DAY + timedelta(days=civil.day_of(starts, story.zone))
    story.look(civil.midnight((civil.months_later(first, 12) - civil.FIRST_DAY).days, story.zone))
    if story.happens(0.3):
        day = given.payload.get("dataFrom", civil.day_of(at, story.zone))
        for begins in (0, -1):
            story.say("HousingApplied", story.one_of("SOC"), civil.midnight(day, story.zone) + begins)
    return given


def change(story: Story, given: Stated) -> None:
    """Amendments: other scope, other form, sometimes other days, by anyone; their validFrom counts for nothing."""
    at = given.occurred_at
    for _ in range(story.chance.choice((0, 0, 0, 1, 2))):
        at = story.after(at, 150)
        until = story.chance.choice((None, None, story.after(at, 100)))
        giver = story.chance.choice((given.payload["givenBy"], *GIVERS))
        story.say(
            "ConsentAmended", story.chance.choice((given.party, story.one_of("SOC"))), at, given, **scope(story),
            consentId=given.payload["consentId"], givenBy=giver, validFrom=at,
            dataFrom=story.chance.choice((None, None, story.day(at, -200, -30, 0))), validUntil=until,
        )  # fmt: skip
        if until is not None:
            story.look(until)
    if story.happens(0.15):
        asked = {name: value for name, value in scope(story).items() if name not in ("form", "guardians")}
        kind = story.chance.choice(("ConsentRequested", "ConsentRefused"))
        story.say(kind, story.chance.choice(story.speakers), story.moment(), **asked, consentId=number(story.chance))


def joint_plan(story: Story, given: Stated) -> None:
    """A joint plan that names this consent, with participants of whom some are its recipients."""
    kind = story.chance.choice(("JointPlanProposed", "JointPlanAgreed", "JointPlanAmended", "JointPlanEnded"))
    recipients = list(given.payload["recipients"])
    sharing = story.chance.sample(recipients, max(1, len(recipients) - 1))
    story.say(
        kind, story.one_of("SOC", "PRI", "PSY"), story.after(given.occurred_at - 20 * 1440 * MINUTE, 90),
        consentId=given.payload["consentId"], participants=sorted({*sharing, *story.some(1, 3)}),
    )  # fmt: skip

"""Makes one history and the moments to ask about it from one number.

Rules:
- The same number gives the same history on every machine.
- Beside the strands come facts of any kind, so that every category is there to be shown or not.
- Some facts are corrected, some corrections again, some retracted; each fact at most once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from contracts.catalogue import catalogue
from contracts.parties import Party
from tests.consent.production import Stated
from tests.naive.agreements import consent, scope
from tests.naive.payloads import number
from tests.naive.story import Story, publishers
from tests.naive.strands import STRANDS

INSTANTS: Final = 4
ANY_KIND: Final = tuple(
    name
    for name, event_type in catalogue().event_types.items()
    if not event_type.control and event_type.anchor not in ("CO", "never")
)
RARELY: Final = frozenset({"ResponsibilityTransferred", "RecalledToPrison", "ImprisonmentStarted", "RemandStarted"})
NEVER_CORRECTED: Final = ("EventRetracted",)


@dataclass(frozen=True)
class Question:
    """One history with the moments at which every party is asked about every event."""

    seed: int
    stated: tuple[Stated, ...]
    born: date
    jurisdiction: str
    parties: frozenset[Party]
    instants: tuple[int, ...]


def question(seed: int) -> Question:
    """Return the question that this number stands for."""
    story = Story(seed)
    for strand in (*STRANDS, consent):
        strand(story)
    for _ in range(story.chance.randint(5, 14)):
        any_fact(story)
    for stated in story.chance.sample(story.stated, min(3, len(story.stated))):
        change_mind(story, stated)
    instants = story.instants(INSTANTS)
    return Question(seed, tuple(story.stated), story.born, story.jurisdiction, story.registry, tuple(instants))


def any_fact(story: Story) -> None:
    """A fact of any kind by anyone who may state it."""
    kind = story.chance.choice(ANY_KIND)
    able = publishers(kind, story.speakers)
    if able and (kind not in RARELY or story.happens(0.15)):
        story.say(kind, story.chance.choice(able), story.moment())


def change_mind(story: Story, stated: Stated) -> None:
    """Correct a fact, correct the correction, or take either back."""
    if stated.event_type in NEVER_CORRECTED:
        return
    if story.happens(0.5):
        retract(story, stated)
        return
    corrected = correct(story, stated)
    if story.happens(0.3):
        corrected = correct(story, corrected)
    if story.happens(0.25):
        retract(story, corrected)


def correct(story: Story, stated: Stated) -> Stated:
    """State the same fact anew, a little different: another time, or other values where they are not its identity."""
    chance = story.chance
    fresh = story.values.payload(stated.event_type, stated.party, stated.occurred_at, story.day(stated.occurred_at), {})
    kept = dict(stated.payload)
    for name in ("restrictions", "legalStatus", "planDuty", "supervision", "toMunicipality", "ongoing", "endsOn"):
        if name in kept and name in fresh and story.happens(0.6):
            kept[name] = fresh[name]
    if stated.event_type in ("ConsentGiven", "ConsentAmended"):
        other = scope(story)
        kept |= {name: other[name] for name in ("categories", "recipients", "sources", "form") if story.happens(0.3)}
        kept["givenBy"] = fresh["givenBy"] if story.happens(0.3) else kept["givenBy"]
    if "party" in kept and stated.event_type.startswith("Coordinator"):
        kept["party"] = fresh["party"]
    recorded = story.after(stated.recorded_at, 40)
    again = replace(stated, id=number(chance), payload=kept, recorded_at=recorded, corrects=stated.id)
    if not stated.event_type.startswith(("Consent", "BreakGlass")) and story.happens(0.4):
        again = replace(again, occurred_at=stated.occurred_at - chance.randrange(1, 20_000) * 60_000)
    story.stated.append(again)
    story.mark(recorded)
    return again


def retract(story: Story, stated: Stated) -> None:
    """Take a fact back."""
    at = story.after(stated.recorded_at, 60)
    story.say("EventRetracted", stated.party, at, stated, targetEventId=stated.id)

"""Who is to be expected: from release dates and referrals that a party may see, and from disclosures alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from consumers.store import PartyStore
from consumers.subscription import Subscription
from consumers.views import reading
from consumers.visible import VisibleEvent
from tests.consumers.histories import drain
from tests.consumers.simulated_topic import SimulatedTopic, name
from tests.consumers.test_board import AT, DAY, DAY_MS, board

TREATMENT = name("treatment")
INSIDE, OUTSIDE, ELSEWHERE, BEGUN = range(4)
CITIZENS = [name("expected", number) for number in range(4)]


def fill(topic: SimulatedTopic, centre: str) -> None:
    """One who is inside and referred here, one referred after release, one referred elsewhere, one who has begun."""

    def say(citizen: int, event_type: str, days: int, **payload: Any) -> None:
        key, at = CITIZENS[citizen], AT + days * DAY_MS
        topic.disclose(key, name(key, event_type, days), event_type, {"occurredAt": at} | payload)

    for citizen in (INSIDE, ELSEWHERE, BEGUN):
        say(citizen, "ImprisonmentStarted", -200, institution="PRI")
        say(citizen, "ReleaseDateSet", -100, releaseDate=DAY + 20, kind="PAROLE")
    for citizen, to in ((INSIDE, centre), (OUTSIDE, centre), (ELSEWHERE, "Z.ADD"), (BEGUN, centre)):
        say(citizen, "TreatmentReferred", -30, treatmentId=TREATMENT, kind="SOCIAL", to=to)
    # Another treatment inside says nothing of the one that was handed over.
    say(INSIDE, "TreatmentStarted", -10, treatmentId=name("other"), kind="SUBSTITUTION", provider="PHE")
    say(BEGUN, "TreatmentStarted", -5, treatmentId=name("new"), continuesId=TREATMENT, kind="SOCIAL", provider=centre)


def listed(party: str, tmp_path: Path) -> dict[str, list[int]]:
    topic = SimulatedTopic()
    fill(topic, party)
    with PartyStore.create(tmp_path / "s.db", party) as store:
        drain(Subscription(party, topic, store))
        made = board(store)
    return {one.list.name: [CITIZENS.index(line["key"]) for line in one.lines] for one in made.lists}


@pytest.mark.parametrize("party", ["A.ADD", "H.FAC"])
def test_a_centre_lists_who_was_referred_to_it_and_has_not_begun_by_day_of_release(party: str, tmp_path: Path) -> None:
    assert listed(party, tmp_path)["referred_here"] == [INSIDE, OUTSIDE], "whose day is not known comes last"


@pytest.mark.parametrize(
    ("party", "name_of_list"), [("A.ADD", "arrivals"), ("A.JOB", "coming_home"), ("A.BEN", "coming_home")]
)
def test_treatment_job_centre_and_benefits_list_who_comes_by_release_date(
    party: str, name_of_list: str, tmp_path: Path
) -> None:
    found = listed(party, tmp_path)[name_of_list]
    assert sorted(found) == [INSIDE, ELSEWHERE, BEGUN]


def events(*steps: tuple[str, dict[str, Any]]) -> list[VisibleEvent]:
    return [
        VisibleEvent("k", str(number), "PRI", event_type, number, number, payload)
        for number, (event_type, payload) in enumerate(steps)
    ]


REFERRED = ("TreatmentReferred", {"treatmentId": "t", "to": "A.ADD"})


@pytest.mark.parametrize(
    ("after", "is_awaited"),
    [
        ((), True),
        ((("TreatmentAssessed", {"treatmentId": "t"}),), True),
        ((("TreatmentStarted", {"treatmentId": "u"}),), True),
        ((("TreatmentStarted", {"treatmentId": "t"}),), False),
        ((("TreatmentStarted", {"treatmentId": "u", "continuesId": "t"}),), False),
        ((("TreatmentInterrupted", {"treatmentId": "t"}),), False),
        ((("TreatmentStarted", {"treatmentId": "t"}), REFERRED), True),
    ],
)
def test_a_referral_is_awaited_until_its_treatment_is_taken_up(after: tuple[Any, ...], is_awaited: bool) -> None:
    assert (reading.awaited(events(REFERRED, *after)) is not None) is is_awaited


def test_a_referral_whose_addressee_is_not_shown_awaits_nobody() -> None:
    assert reading.awaited(events(("TreatmentReferred", {"treatmentId": "t"}))) is None

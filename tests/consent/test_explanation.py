"""What an explanation says of a consent that does not open something is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.catalogue import catalogue
from contracts.fact import outline_of
from deploy.scenario.grammar import read_scenarios
from hub.consent.decision import Decider
from tests.consent.scenario_cases import PlayedCase

MOVED = """
S X1 DK born=1990-05-05 health=[] | A recipient that lost it by a move
E e1 2025-01-06T10:00 A.SOC CaseOpened() ;; k1 2025-01-07T10:00 A.ADD ConsentGiven(by=SUBJECT form=WRITTEN cat=[SU] src=[A.ADD] to=[A.SOC] for=[SOCIAL_SUPPORT] dataFrom=2025-01-01) ;; e2 2025-01-08T10:00 A.ADD MotivationTalkHeld(talkId=m1 setting=OUTPATIENT) ;; e3 2025-03-03T10:00 A.SOC ResponsibilityTransferred(fromMunicipality=A toMunicipality=B effectiveDate=2025-03-10 ground=MOVED)
X 2025-03-11 | A.SOC: nothing
"""  # noqa: E501
ORAL = """
S X2 SE born=1990-05-05 health=[] | Oral, and of the prison
E e1 2025-01-06T10:00 PRI SentencePlanAgreed(planId=p1 version=1 items=[HOUSING]) ;; k1 2025-01-07T10:00 PRI ConsentGiven(by=SUBJECT form=ORAL cat=[CU,PL,HO] src=[PRI] to=[SD.SOC] for=[SOCIAL_SUPPORT] dataFrom=2025-01-01)
X 2025-03-11 | SD.SOC: nothing
"""  # noqa: E501


@pytest.mark.parametrize(
    ("text", "event_type", "receiver", "not_so", "so"),
    [
        (
            MOVED, "MotivationTalkHeld", "A.SOC", "no consent in force names `A.SOC` as a recipient",
            "the municipality of `A.SOC` was responsible when it began and is no more",
        ),
        (
            ORAL, "SentencePlanAgreed", "SD.SOC", "`PRI` is not one of its sources",
            "given orally it opens nothing that `PRI` states",
        ),
    ],
    ids=["lost by a move", "oral"],
)  # fmt: skip
def test_a_consent_is_said_to_lack_what_it_lacks(
    text: str, event_type: str, receiver: str, not_so: str, so: str, tmp_path: Path
) -> None:
    (tmp_path / "x.md").write_text(text)
    (scenario,) = read_scenarios(tmp_path / "x.md")
    case = PlayedCase.of(scenario)
    decider = Decider(case.policy, case.standing(scenario.expectations[0].at))
    (fact,) = [each for each in case.facts if each.event_type == event_type]
    outline = outline_of(fact, catalogue().event_types[event_type])
    words = " | ".join(str(each) for each in decider.explain(outline, receiver))
    assert not_so not in words
    assert so in words

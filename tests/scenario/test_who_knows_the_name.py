"""Rule S12 on played cases: who may be told the name and the national id, by what the hub decided on the way."""

from __future__ import annotations

from deploy.scenario.core_world import CoreWorld
from deploy.scenario.expansion import expand
from deploy.scenario.player import steps
from deploy.scenario.scenario import Scenario
from hub.identity.visibility import sees_something
from tests.scenario.vignettes import vignette

SCOPE = "cat=[HO] src=[A.SOC] to=[VOL,A.YTH] for=[SUPPORT,EDUCATION]"
HOUSING = "e1 2025-02-03T09:00 A.SOC HousingApplied(kind=SHELTER_110)"
REQUESTED = f"q1 2025-02-04T09:00 A.SOC ConsentRequested(id=q1 {SCOPE})"
REFUSED = f"{REQUESTED} ;; r1 2025-02-05T09:00 A.SOC ConsentRefused(id=q1 {SCOPE})"
GIVEN = f"k1 2025-02-06T09:00 A.SOC ConsentGiven(by=SUBJECT form=WRITTEN {SCOPE} dataFrom=2025-02-01)"
WITHDRAWN = "k1w 2025-02-07T09:00 A.SOC ConsentWithdrawn(id=k1)"
ASKED = "b1 2025-02-04T09:00 KIF BreakGlassRequested(requestId=b1 party=KIF categories=[MH] reason=SUICIDE_RISK)"


def who_sees_something(scenario: Scenario) -> set[str]:
    playbook = expand(scenario)
    world = CoreWorld(playbook.registry)
    try:
        for _ in steps(playbook, world):
            pass
        records = list(world.case_records())
    finally:
        world.close()
    return {party.id for party in playbook.registry if sees_something(records, party.id)}


def test_being_named_in_a_request_a_refusal_or_an_ended_consent_opens_no_name() -> None:
    x = "X 2025-02-08 | MNT: nothing"
    without = who_sees_something(vignette(f"E {HOUSING}", x))
    assert {"VOL", "A.YTH", "KIF"}.isdisjoint(without)
    assert who_sees_something(vignette(f"E {HOUSING} ;; {REFUSED}", x)) == without
    assert who_sees_something(vignette(f"E {HOUSING} ;; {REFUSED} ;; {ASKED}", x)) == without
    assert who_sees_something(vignette(f"E {HOUSING} ;; {GIVEN}", x)) == without | {"VOL", "A.YTH"}
    assert who_sees_something(vignette(f"E {HOUSING} ;; {GIVEN} ;; {WITHDRAWN}", x)) == without

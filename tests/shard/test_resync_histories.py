"""Any history with resyncs at any point: whoever lost all before the mark ends with what an undisturbed receiver holds.

The histories are those of `tests.shard.test_stepwise`: every kind of fact, late ones, corrections and retractions, in
batches of any size, with a cache too small for one case, and with kills between the batches of a resync.
"""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub.shard import resyncing
from hub.shard.resyncing import GIVEN_UP
from tests.consent.histories import FIRST_DAY, History, histories
from tests.shard.harness import DAY_MS, OTHER_CASE, ShardUnderTest
from tests.shard.resyncs import after_the_last_mark, ask, undisturbed
from tests.shard.test_stepwise import HEALTHCARE_PROVIDERS, PARTIES, compare, publish, retract

EXAMPLES: Final = 40


def _play(hub: ShardUnderTest, history: History, data: st.DataObject) -> set[str]:
    asked: dict[str, int] = {}
    facts = sorted(history.facts, key=lambda fact: fact.recorded_at)
    for number, fact in enumerate(facts, start=1):
        hub.tick(max(0, fact.recorded_at - hub.now))
        same = [
            n
            for n, old in enumerate(facts[: number - 1], 1)
            if (old.party, old.event_type) == (fact.party, fact.event_type)
        ]
        corrected = data.draw(st.sampled_from([None, None, *same])) if same else None
        publish(hub, fact, number, str(uuid.UUID(int=corrected)) if corrected else None)
        for what in data.draw(
            st.lists(st.sampled_from(("ask", "ask", "step", "step", "restart", "retract")), max_size=4)
        ):
            if what == "ask":
                party = data.draw(st.sampled_from(PARTIES))
                asked[party] = asked.get(party, 0) + 1
                ask(hub, party, f"{party} {asked[party]}")
            elif what == "step":
                hub.shard.step(0.0)
            elif what == "restart":
                hub.restart()
            else:
                victim = data.draw(st.integers(1, number))
                retract(hub, facts[victim - 1], victim)
    hub.tick(DAY_MS)
    hub.settle()
    return set(asked)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    data=st.data(),
    jurisdiction=st.sampled_from(("DK", "SE")),
    facts_max=st.sampled_from((1, 200_000)),
    cases_max=st.sampled_from((1, 100)),
)
def test_after_its_end_whoever_lost_everything_holds_what_an_undisturbed_receiver_holds(
    data: st.DataObject, jurisdiction: str, facts_max: int, cases_max: int
) -> None:
    history = data.draw(histories(jurisdiction))
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(resyncing, "RESYNC_CASES_MAX", cases_max)
        hub = ShardUnderTest(Path(directory), PARTIES, (FIRST_DAY - 1) * DAY_MS, facts_max, HEALTHCARE_PROVIDERS)
        hub.enrol(born=history.person.birth_date, jurisdiction=jurisdiction)
        hub.enrol(OTHER_CASE)
        hub.settle()
        asked = _play(hub, history, data)
        if "POLICE" in asked:  # no rule set has a role of that name: it is told nothing at all
            assert hub.store.resyncs()["POLICE"].step == GIVEN_UP
        for party in asked - {"POLICE"}:
            lines = hub.told(party)
            assert after_the_last_mark(lines) == undisturbed(lines), party
        compare(hub)

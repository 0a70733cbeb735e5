"""Any history of two cases, merged at any moment and perhaps unlinked again, with kills and doubtful sends between.

The model knows no merges: one case of which everything was stated, or two of which each was told its own.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.civil_time import day_date
from contracts.reasons import Reason
from hub.shard import forwarding, worker
from tests.shard import orders
from tests.shard.harness import HOUR_MS, consent, imprisonment
from tests.shard.merging import DRAWN_HISTORIES, LOSER, WINNER, MergingShards

ALONE: Final = "5f0c7d1e-0000-4000-8000-00000000000d"
"""The case of the model, in which everything stands."""
APART, MERGED, UNLINKED = "apart", "merged", "unlinked"
FREE: Final = ("start", "date", "give", "social services", "job centre", "release")
DEPENDING: Final = ("mend the date", "take back the date", "withdraw", "end as the hub", "amend as a stranger")


@dataclass(frozen=True)
class Stated:
    """One thing to state about the citizen behind `about`, under the key of `under`, so many hours after the last."""

    kind: str
    about: str
    under: str
    stage: str
    hours: int


@st.composite
def histories(draw: st.DrawFn) -> list[Stated]:
    """Things to state, stage by stage. While merged, what depends on something may come under either key."""
    stated: list[Stated] = []
    for stage in (APART, MERGED, UNLINKED):
        for _ in range(draw(st.integers(2, 7))):
            kind = draw(st.sampled_from(FREE + DEPENDING))
            about = draw(st.sampled_from([LOSER, WINNER]))
            is_free = stage != MERGED or kind in FREE
            under = about if is_free else draw(st.sampled_from([LOSER, WINNER]))
            stated.append(Stated(kind, about, under, stage, draw(st.integers(0, 30))))
    return stated


class Teller:
    """States things in some shards; what depends on something is left out until that stands."""

    def __init__(self, hub: MergingShards) -> None:
        self.hub = hub
        self._count = 0
        self._revisions: dict[str, int | None] = {}
        self._given: set[str] = set()

    def state(self, one: Stated, case_id: str) -> None:
        """State one thing under the keys of `case_id`."""
        about, at, own = one.about, self.hub.now, one.about[-1]
        revision = self._revisions.get(about)
        consent_id = f"d0000000-0000-4000-8000-00000000000{own}"
        custody = {"custodyId": f"c0000000-0000-4000-8000-00000000000{own}"}
        match one.kind:
            case "start":
                self._say("PRI", "ImprisonmentStarted", imprisonment(at) | custody, case_id)
            case "release":
                values = {"releasedAt": at, "supervision": True} | custody
                self._say("PRI", "ReleasedAtEndOfSentence", values, case_id)
            case "date" if about not in self._revisions:
                self._revisions[about] = 0
                self._say("PRI", "ReleaseDateSet", _release(custody, 0), case_id, f"date {about}")
            case "mend the date" if revision is not None:
                self._revisions[about] = revision + 1
                values = _release(custody, revision + 1)
                self._say("PRI", "ReleaseDateSet", values, case_id, f"date {about}", revision + 1)
            case "take back the date" if revision is not None:
                self._revisions[about] = None
                target = self.hub.publisher("PRI").event_id("ReleaseDateSet", f"date {about}", revision)
                self._say("PRI", "EventRetracted", {"targetEventId": target, "at": at, "reason": "DUPLICATE"}, case_id)
            case "give" if about not in self._given:
                self._given.add(about)
                values = consent(at, ["CU", "RE"], ["A.JOB", "A.ADD"]) | {"consentId": consent_id}
                self._say("PRI", "ConsentGiven", values | {"purposes": ["EMPLOYMENT", "TREATMENT"]}, case_id)
            case "withdraw" if about in self._given:
                self._say("PRI", "ConsentWithdrawn", {"consentId": consent_id, "at": at, "by": "SUBJECT"}, case_id)
            case "end as the hub" if about in self._given:
                event_type = ("ConsentWithdrawn", "ConsentExpired", "ConsentInvalidated")[self._count % 3]
                self._say("HUB", event_type, {"consentId": consent_id, "at": at, "by": "SUBJECT"}, case_id)
            case "amend as a stranger":
                values = consent(at, ["CU", "RE"], ["A.BEN", "B.SOC"]) | {"consentId": consent_id, "version": 2}
                self._say("A.BEN", "ConsentAmended", values | {"purposes": ["BENEFIT", "SOCIAL_SUPPORT"]}, case_id)
            case "social services" | "job centre":
                party = "A.SOC" if one.kind == "social services" else "A.JOB"
                self._say(party, "CaseOpened", {"caseNo": own, "at": at}, case_id)

    def _say(
        self, party: str, event_type: str, values: dict[str, Any], case_id: str, reference: str = "", revision: int = 0
    ) -> None:
        self._count += 1
        self.hub.state(party, event_type, values, reference or f"{event_type} {self._count}", case_id, revision)


def _release(custody: dict[str, Any], revision: int) -> dict[str, Any]:
    return {**custody, "releaseDate": day_date(20_300 + revision), "kind": "PAROLE"}


def disturb(hub: MergingShards, chance: random.Random) -> None:
    """A few steps; now and then a kill, or a send of which nobody knows whether it was stored."""
    for _ in range(chance.randrange(6)):
        match chance.randrange(9):
            case 0:
                hub.restart(chance.randrange(2))
            case 1:
                hub.channel.fail_before = True
            case 2:
                hub.channel.fail_after = True
            case 3:
                hub.say_something_again(chance)
        for shard in hub.shards:
            shard.forwarding.pause.until = 0.0
        hub.step()


@pytest.mark.parametrize("shards_of", [{LOSER: 0, WINNER: 0}, {LOSER: 0, WINNER: 1}], ids=["same", "across"])
@DRAWN_HISTORIES
@given(history=histories(), seed=st.integers(0, 2**32), portion=st.sampled_from([1, 2, 500]))
def test_merged_they_are_one_case_and_unlinked_two(
    shards_of: dict[str, int], history: list[Stated], seed: int, portion: int
) -> None:
    chance = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(worker, "BATCH_RECORDS_MAX", portion)
        patch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", portion)
        hub = _shards(directory, "merging", shards_of)
        one = _shards(directory, "one", {ALONE: 1})
        two = _shards(directory, "two", shards_of)
        tellers = [Teller(each) for each in (hub, one, two)]
        stage = APART
        for said in history:
            if said.stage != stage:
                stage = said.stage
                _change(hub, stage, chance)
                if stage == UNLINKED:
                    one.settle()
                    assert hub.views(WINNER) == one.views(ALONE)
                    assert not any(hub.views(LOSER).values())
                    assert set(orders.told(hub).values()) <= {1}
                    assert orders.due(hub) <= set(orders.told(hub))
                    hub.unlink()
                    disturb(hub, chance)
            if stage == MERGED and said.kind in DEPENDING:
                hub.settle()
            for each in (hub, one, two):
                each.tick(said.hours * HOUR_MS)
            for teller, case_id in zip(tellers, (said.under, ALONE, said.about), strict=True):
                teller.state(said, case_id)
            disturb(hub, chance)
        for each in (hub, two):
            each.settle()
        for each in (hub, two):
            assert {record.reason for record in each.parked()} <= {Reason.UNKNOWN_CONSENT}
        for case_id in (LOSER, WINNER):
            assert hub.views(case_id) == two.views(case_id)
        assert orders.due(hub) <= set(orders.told(hub))


def _shards(directory: str, name: str, shards_of: dict[str, int]) -> MergingShards:
    place = Path(directory) / name
    place.mkdir()
    return MergingShards(place, shards_of)


def _change(hub: MergingShards, stage: str, chance: random.Random) -> None:
    """Go over to the next stage, with what was stated before it still under way or not."""
    if stage == MERGED:
        disturb(hub, chance)
        hub.merge()
        disturb(hub, chance)
    else:
        hub.settle()

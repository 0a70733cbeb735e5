"""Consents given and ended at any moment of merges, under either key, with kills between: nobody is left untold."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.shard import forwarding, worker
from tests.shard import orders
from tests.shard.harness import HOUR_MS, consent, imprisonment
from tests.shard.merging import ACROSS, DRAWN_HISTORIES, LOSER, SAME_SHARD, WINNER, MergingShards, dated
from tests.shard.test_merging_histories import disturb

CONSENTS: Final = {case_id: f"d0000000-0000-4000-8000-00000000000{case_id[-1]}" for case_id in (LOSER, WINNER)}
MOVES: Final = ("date", "give", "withdraw", "talk", "release", "merge", "unlink", "settle", "disturb")
Move = tuple[str, str, str]
"""What is done, under the key of which case, and (of a withdrawal) whose consent it is about."""


def moves() -> st.SearchStrategy[list[Move]]:
    cases = st.sampled_from([LOSER, WINNER])
    drawn = st.lists(st.tuples(st.sampled_from(MOVES), cases, cases), max_size=14)
    return drawn.map(lambda rest: [(kind, LOSER, LOSER) for kind in ("date", "give", "talk", "settle")] + rest)


class Playing:
    """Makes the moves; what cannot be done any more is left out."""

    def __init__(self, hub: MergingShards, chance: random.Random) -> None:
        self.hub, self.chance = hub, chance
        self.is_merged = self.was_unlinked = False
        self._done: set[Move] = set()

    def move(self, kind: str, under: str, about: str) -> None:
        hub, at = self.hub, self.hub.now
        is_new = (kind, under, about if kind == "withdraw" else "") not in self._done
        self._done.add((kind, under, about if kind == "withdraw" else ""))
        consent_id = {"consentId": CONSENTS[about if kind == "withdraw" else under]}
        match kind:
            case "date" if is_new:
                hub.state("PRI", "ImprisonmentStarted", imprisonment(at), f"start {under}", under)
                dated(hub, under, reference=f"date {under}")
            case "give" if is_new:
                values = consent(at, ["CU", "RE", "SU"], ["A.JOB", "PRI"]) | consent_id
                purposes = {"purposes": ["EMPLOYMENT", "RELEASE_PLANNING"]}
                hub.state("PRI", "ConsentGiven", values | purposes, f"given {under}", under)
            case "withdraw" if is_new:
                said = {"at": at, "by": "SUBJECT"} | consent_id
                hub.state("PRI", "ConsentWithdrawn", said, f"withdrawn {under} {about}", under)
            case "talk" if is_new:
                talk = {"contactId": CONSENTS[under], "at": at, "setting": "STREET"}
                hub.state("A.ADD", "OutreachContactMade", talk, f"talk {under}", under)
            case "release" if is_new:
                released = {"custodyId": imprisonment(0)["custodyId"], "releasedAt": at, "supervision": False}
                hub.state("PRI", "ReleasedAtEndOfSentence", released, f"released {under}", under)
            case "merge" if not self.is_merged:
                self.is_merged = True
                hub.merge()
            case "unlink" if self.is_merged:
                self.is_merged, self.was_unlinked = False, True
                hub.unlink()
            case "settle":
                hub.settle()
            case "disturb":
                disturb(hub, self.chance)
        hub.tick(self.chance.choice([0, 1, HOUR_MS]))


@pytest.mark.parametrize("shards_of", [SAME_SHARD, ACROSS], ids=["same", "across"])
@DRAWN_HISTORIES
@given(drawn=moves(), seed=st.integers(0, 2**32), portion=st.sampled_from([1, 2, 500]))
def test_everybody_is_told_of_what_has_ended(
    shards_of: dict[str, int], drawn: list[Move], seed: int, portion: int
) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(worker, "BATCH_RECORDS_MAX", portion)
        patch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", portion)
        hub = MergingShards(Path(directory), {each: shards_of[each] for each in (LOSER, WINNER)})
        playing = Playing(hub, random.Random(seed))
        for each in drawn:
            playing.move(*each)
        hub.settle()
        told = orders.told(hub)
        assert orders.due(hub) <= set(told)
        assert playing.was_unlinked or set(told.values()) <= {1}

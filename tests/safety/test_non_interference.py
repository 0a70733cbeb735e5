"""What a party gets never depends on what it may not see: pairs of histories, compared byte by byte.

Rule: `SAFETY_PAIRS` says how many pairs (2,000 without it), in parts that workers share, each with stories of its own;
`python -m tests.safety --pairs 20000` is the long run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping
from pathlib import Path
from typing import Any

import pytest

from contracts.categories import ALL_CATEGORIES
from contracts.event_types import DOMAIN, EventType
from hub.case_timeline.timeline import CaseTimeline
from hub.consent.decision import Decider
from hub.disclosure import cutter, envelope, settlement
from hub.disclosure.settlement import Change, decisions_on
from hub.shard import reminders
from hub.shard.batch import Batch
from hub.shard.cases import HeldCase
from hub.shard.settling import Settling, Told
from tests.consent.production import Stated
from tests.safety.answers import answers_of
from tests.safety.interference import search
from tests.safety.stories import BIRTHS, DIARY, PARTIES, Event, Story, story
from tests.safety.transcripts import Play, Transcript
from tests.safety.twins import CHANGES

PAIRS = int(os.environ.get("SAFETY_PAIRS", "2000"))
PARTS = 4
SEEDS_APART = 1_000_000
FEW = 50
SOME_PARTIES = ("A.SOC", "PRI", "FAC")


@pytest.mark.parametrize("part", range(PARTS))
def test_hidden_differences_change_no_byte_of_what_any_party_gets(part: int, tmp_path: Path) -> None:
    pairs = -(-PAIRS // PARTS)
    found = search(tmp_path / "search", pairs, part * SEEDS_APART)
    assert found.interference == []
    assert found.reordered == 0
    assert found.pairs >= pairs
    assert found.discarded < found.tried / 2
    assert found.records > found.pairs
    assert found.refused > 0
    assert set(found.pairs_of) == set(PARTIES)
    assert all(found.records_of[party] for party in PARTIES)
    assert min(found.changes[name] for name in CHANGES) > found.pairs / 20


def test_the_evaluator_of_these_stories_follows_some_citizens_and_the_steering_group_none() -> None:
    """Else their pairs would say nothing of what others state."""
    decided = [(each, answers_of(each, ("EVA", "GOV"))) for each in map(story, range(60))]
    followed = {
        party: sum(
            not event_id.startswith(f"{party}/")
            for _, answers in decided
            for event_id, whose in answers.ever
            if whose == party
        )
        for party in ("EVA", "GOV")
    }
    assert followed["EVA"] >= 20
    assert followed["GOV"] == 0


def links_go_along_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_if_told", lambda case, entry, reference, party: reference)


def an_emptied_list_is_sent_as_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    cut = cutter.cut

    def leaky(event_type: EventType, payload: Mapping[str, Any], mask: int, withheld: frozenset[str]) -> Any:
        form = cut(event_type, payload, mask, withheld)
        lists = [field.name for field in event_type.fields if field.category == DOMAIN and field.repeated]
        return form and {**{name: [] for name in lists if payload.get(name)}, **form}

    monkeypatch.setattr(envelope, "cut", leaky)


def hidden_items_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutter, "_item_bit", lambda item: -1)


def what_was_told_is_told_again_whenever_the_standing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    differences_of = settlement._differences_of

    def leaky(case: CaseTimeline, decider: Decider, event_id: str, of_whom: Container[str]) -> list[Change]:
        fresh = decisions_on(case.facts[event_id].outline, case.dead.get(event_id), decider)
        again = [Change(event_id, party, shown, ()) for party, shown in fresh.items()]
        return [*differences_of(case, decider, event_id, of_whom), *again]

    monkeypatch.setattr(settlement, "_differences_of", leaky)


def clocks_run_over_what_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = reminders._Looking._seen

    def leaky(looking: Any) -> dict[str, list[Any]]:
        found = seen(looking)
        everything = dict.fromkeys(one[0] for cuts in found.values() for one in cuts)
        return {party: [(event_id, ALL_CATEGORIES, frozenset()) for event_id in everything] for party in found}

    monkeypatch.setattr(reminders._Looking, "_seen", leaky)


def news_take_the_place_of_a_turn_in_a_resync(monkeypatch: pytest.MonkeyPatch) -> None:
    settle_case = Settling._settle_case

    def leaky(settling: Settling, held: HeldCase, batch: Batch, again: Container[str] = ()) -> list[Told]:
        return settle_case(settling, held, batch, () if held.touched else again)

    monkeypatch.setattr(Settling, "_settle_case", leaky)


@pytest.mark.parametrize(
    ("leak", "seed"),
    [
        (news_take_the_place_of_a_turn_in_a_resync, 400),
        (clocks_run_over_what_is_hidden, 900),
        (links_go_along_untold, 0),
        (an_emptied_list_is_sent_as_empty, 800),
        (hidden_items_are_sent, 100),
        (what_was_told_is_told_again_whenever_the_standing_changes, 0),
    ],
)
def test_the_search_finds_a_planted_leak(
    leak: Callable[[pytest.MonkeyPatch], None], seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leak(monkeypatch)
    assert search(tmp_path / "search", FEW, seed, SOME_PARTIES).interference


def told_of_two_citizens(directory: Path, *, with_hidden_fact: bool) -> Transcript:
    """What social services get where two cases are opened at one instant, psychiatry's contact before them or not."""
    cases = ("5f0c7d1e-0000-4000-8000-00000000000a", "5f0c7d1e-0000-4000-8000-00000000000b")

    def event(number: int, party: str, event_type: str, **values: Any) -> Event:
        at = DIARY[1] + number * 1_000
        event_id = f"e0000000-0000-4000-8000-00000000000{number}"
        return Event(Stated(event_id, event_type, party, at, at, {"at": at, **values}), at)

    hidden = event(1, "PSY", "OutpatientContactHeld", episodeId=cases[0], attendance=None, endReason=None)
    opened = [event(n, "A.SOC", "CaseOpened", caseNo="1", reason=None) for n in (2, 3)]
    stories = [
        Story(cases[0], BIRTHS[0], "DK", (opened[0],)),
        Story(cases[1], BIRTHS[0], "DK", (hidden, opened[1]) if with_hidden_fact else (opened[1],)),
    ]
    play = Play(directory, stories)
    transcript = play.transcript("A.SOC")
    play.close()
    return transcript


def test_a_hidden_fact_of_one_citizen_does_not_move_the_records_of_two(tmp_path: Path) -> None:
    without = told_of_two_citizens(tmp_path / "without", with_hidden_fact=False)
    assert len(without.records) == 2
    assert told_of_two_citizens(tmp_path / "with", with_hidden_fact=True) == without

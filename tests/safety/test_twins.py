"""Which pairs are no twins: what differs for the party there is its own, and would pass for a leak.

The pairs are those of the long search that showed each rule: by seed, so that they are the stories that it plays.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.safety.answers import answers_of
from tests.safety.interference import stories_of
from tests.safety.stories import PARTIES, SLOTS, Story, retraction
from tests.safety.transcripts import Play
from tests.safety.twins import counts

RETRACTED_IN = 1 * SLOTS + 21
"""In the second instant of the diary, between the consent and its amendment."""


def without(story: Story, event_type: str) -> Story:
    kept = [event for event in story.events if event.stated.event_type != event_type]
    assert len(kept) == len(story.events) - 1
    return story.with_events(kept)


def test_what_answers_take_for_refused_is_what_arrival_parks(tmp_path: Path) -> None:
    story = stories_of(0, 28)[4]
    given, amended = (
        next(each for each in story.events if each.stated.event_type == name and each.stated.party == "B.SOC")
        for name in ("ConsentGiven", "ConsentAmended")
    )
    twin = story.with_events([*story.events, retraction(Random(0), RETRACTED_IN, given.stated)])
    for number, (played, refused) in enumerate(((story, set()), (twin, {amended.event_id}))):
        play = Play(tmp_path / str(number), [played])
        parked = [record.reason for record in play.hub.parked() if record.originator_id == "parked:B.SOC"]
        play.close()
        assert answers_of(played, PARTIES).refused == refused
        assert parked == ["unknown_consent"] * len(refused)


def test_a_change_that_has_an_amendment_refused_which_the_party_is_shown_makes_no_twin() -> None:
    story = stories_of(0, 28)[4]
    given = next(each for each in story.events if each.event_id.startswith("B.SOC/8459e888"))
    twin = story.with_events([*story.events, retraction(Random(0), RETRACTED_IN, given.stated)])
    base = answers_of(story, PARTIES)
    assert (given.event_id, "A.HSG") not in base.ever, "what is changed is hidden"
    assert not counts(story, twin, "A.HSG", base)
    assert counts(story, twin, "GOV", base), "it was never shown the amendment"


def test_a_change_that_moves_a_right_of_the_party_to_what_a_clock_asks_for_makes_no_twin(tmp_path: Path) -> None:
    """The housing agency coordinates: by that the prison service may see its facts by law, not by consent alone."""
    story = stories_of(0, 1)[12]
    twin = without(story, "CoordinatorHandedOver")
    base, fresh = answers_of(story, PARTIES), answers_of(twin, PARTIES)
    assert base.by_party["KIF"] == fresh.by_party["KIF"], "nothing that was stated is shown otherwise"
    assert not counts(story, twin, "KIF", base)
    records = []
    for number, played in enumerate((story, twin)):
        play = Play(tmp_path / str(number), [played])
        records.append(play.transcript("KIF").records)
        play.close()
    assert records[0] != records[1], "its reminder rests on that right"
    assert counts(story, twin, "GOV", base), "it has no such right in either"


def test_a_hidden_consent_that_takes_the_id_of_the_partys_own_makes_no_twin() -> None:
    """Of two with one id the first counts: with it the party's own never opens anything to it, and so never ends."""
    story = stories_of(1_000_007, 11)[6]
    first, own = (
        next(each for each in story.events if each.stated.party == party and each.stated.event_type == "ConsentGiven")
        for party in ("A.JOB", "A.ADD")
    )
    consent_id = own.stated.payload["consentId"]
    assert first.stated.payload["consentId"] == consent_id
    twin = story.with_events([each for each in story.events if each is not first])
    base, fresh = answers_of(story, PARTIES), answers_of(twin, PARTIES)
    assert (first.event_id, "A.ADD") not in base.ever, "what is changed is hidden"
    assert base.by_party["A.ADD"] == fresh.by_party["A.ADD"], "another consent opens the same to it"
    in_force = [
        any(
            consent.consent_id == consent_id and "A.ADD" in consent.recipients
            for standing in answers.standings
            for consent in standing.consents
        )
        for answers in (base, fresh)
    ]
    assert in_force == [False, True]
    assert not counts(story, twin, "A.ADD", base)

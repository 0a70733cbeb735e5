"""Whoever was shown something by a consent is told once that it ended, whatever merges do to the case meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.civil_time import day_date
from hub.shard import forwarding, worker
from tests.shard.harness import consent, imprisonment
from tests.shard.merging import (
    ACROSS,
    CONSENT_ID,
    LOSER,
    SAME_SHARD,
    THIRD,
    WINNER,
    MergingShards,
    consented,
    dated,
    hour,
    imprisoned,
    opened,
    withdrawn,
)
from tests.shard.test_merging_withdrawals import told_by

OTHER_CONSENT = "d0000000-0000-4000-8000-000000000002"


@pytest.fixture(params=[SAME_SHARD, ACROSS], ids=["same", "across"])
def hub(request: pytest.FixtureRequest, tmp_path: Path) -> MergingShards:
    return MergingShards(tmp_path, request.param)


def told_that(hub: MergingShards, kind: str, party: str = "A.JOB") -> list[str]:
    """Under which cases a party holds a notice of a kind."""
    return [
        case_id
        for case_id in hub.shards_of
        for said in hub.held(party, case_id, of_the_hub=True).values()
        if said.get("kind") == kind
    ]


def assert_told_once(hub: MergingShards, under: str, party: str = "A.JOB") -> None:
    """The party holds one order to remove, under its key of a case, and owes the receipt for it alone."""
    assert told_that(hub, "CONSENT_ENDED", party) == [under]
    assert [owed.party for store in hub.stores for owed in store.obligations().values()] == [party]
    assert hub.parked() == []


def assert_told_nothing(hub: MergingShards, party: str = "A.JOB") -> None:
    """The party is ordered to remove nothing."""
    assert told_that(hub, "CONSENT_ENDED", party) == []
    assert not any(store.obligations() for store in hub.stores)


def talked(hub: MergingShards, case_id: str, consent_id: str = CONSENT_ID) -> str:
    """Have a case tell the prison of a talk on the ground of a consent; the talk's event id."""
    imprisoned(hub, case_id)
    values = consent(hub.now, ["SU"], ["PRI"]) | {"sources": ["A.ADD"], "consentId": consent_id}
    hub.state("PRI", "ConsentGiven", values, f"given {consent_id}", case_id)
    talk = {"contactId": "c0000000-0000-4000-8000-000000000009", "at": hub.now, "setting": "STREET"}
    contact = hub.state("A.ADD", "OutreachContactMade", talk, "talk", case_id)
    hub.settle()
    assert contact in hub.held("PRI", case_id)
    hour(hub)
    return contact


def released(hub: MergingShards, case_id: str) -> None:
    values = {"custodyId": imprisonment(0)["custodyId"], "releasedAt": hub.now, "supervision": False}
    hub.state("PRI", "ReleasedAtEndOfSentence", values, "released", case_id)
    hub.settle()


def talked_and_released(hub: MergingShards, case_id: str) -> None:
    """Have the release hide from the prison what a consent had shown it."""
    contact = talked(hub, case_id)
    released(hub, case_id)
    assert contact not in hub.held("PRI", case_id)
    hour(hub)


@pytest.fixture
def in_single_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each record settled by itself, and each message sent by itself."""
    monkeypatch.setattr(worker, "BATCH_RECORDS_MAX", 1)
    monkeypatch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", 1)


@pytest.mark.parametrize("moment", ["before the merge", "while it runs", "after it"])
def test_a_withdrawal_is_told_whenever_the_merge_comes(hub: MergingShards, moment: str) -> None:
    date = told_by(hub, LOSER)
    if moment == "before the merge":
        withdrawn(hub, LOSER)
        hub.settle()
        hour(hub)
    hub.merge()
    if moment == "while it runs":
        withdrawn(hub, LOSER)
    hub.settle()
    if moment == "after it":
        hour(hub)
        withdrawn(hub, WINNER)
        hub.settle()
    assert date not in hub.held("A.JOB", LOSER) | hub.held("A.JOB", WINNER)
    assert hub.acknowledged()
    assert_told_once(hub, WINNER)


@pytest.mark.parametrize(("under", "given_to"), [(WINNER, LOSER), (LOSER, WINNER)])
def test_a_withdrawal_that_lay_on_the_other_case_is_told_once_they_are_one(
    hub: MergingShards, under: str, given_to: str
) -> None:
    imprisoned(hub, under)
    date = told_by(hub, given_to)
    withdrawn(hub, under)
    hub.settle()
    hour(hub)
    hub.merge()
    hub.settle()
    assert date not in hub.held("A.JOB", LOSER) | hub.held("A.JOB", WINNER)
    assert len(hub.acknowledged()) == 1
    assert_told_once(hub, WINNER)


def test_a_withdrawal_while_the_merge_is_taken_back_is_told_by_the_case_that_gets_the_consent(
    hub: MergingShards,
) -> None:
    date = told_by(hub, LOSER)
    hub.merge()
    hub.settle()
    hour(hub)
    hub.unlink()
    withdrawn(hub, LOSER)
    hub.settle()
    assert date not in hub.held("A.JOB", LOSER) | hub.held("A.JOB", WINNER)
    assert len(hub.acknowledged()) == 1
    assert_told_once(hub, LOSER)


def test_what_a_gate_had_closed_before_the_merge_is_lost_with_its_consent_after_it(hub: MergingShards) -> None:
    talked_and_released(hub, LOSER)
    hub.merge()
    hub.settle()
    assert_told_nothing(hub, "PRI")
    hour(hub)
    withdrawn(hub, WINNER)
    hub.settle()
    assert_told_once(hub, WINNER, "PRI")


@pytest.mark.parametrize("is_hidden", [False, True])
def test_what_was_told_before_the_merge_is_not_told_again_by_any_other_move(
    hub: MergingShards, is_hidden: bool
) -> None:
    party = "PRI" if is_hidden else "A.JOB"
    if is_hidden:
        talked_and_released(hub, LOSER)
    else:
        told_by(hub, LOSER)
    withdrawn(hub, LOSER)
    hub.settle()
    assert_told_once(hub, LOSER, party)
    for merged in (True, False, True):
        hour(hub)
        if merged:
            hub.merge()
        else:
            hub.unlink()
        hub.settle()
        assert_told_once(hub, WINNER if merged else LOSER, party)
        hub.say_all_again()
        hub.settle()
        assert_told_once(hub, WINNER if merged else LOSER, party)


def test_a_consent_that_moves_with_its_case_has_not_ended(hub: MergingShards) -> None:
    told_by(hub, LOSER)
    for move in (hub.merge, hub.unlink, hub.merge, hub.unlink):
        move()
        hub.settle()
        hour(hub)
        assert_told_nothing(hub)
    withdrawn(hub, LOSER)
    hub.settle()
    assert_told_once(hub, LOSER)


def test_what_was_told_while_they_were_one_is_not_told_again_when_they_part(hub: MergingShards) -> None:
    told_by(hub, LOSER)
    hub.merge()
    hub.settle()
    hour(hub)
    withdrawn(hub, WINNER)
    hub.settle()
    hub.say_all_again()
    hub.settle()
    assert_told_once(hub, WINNER)
    hub.unlink()
    hub.settle()
    assert_told_once(hub, LOSER)


def test_whom_the_merged_case_had_told_is_told_when_the_consent_ends_as_they_part(hub: MergingShards) -> None:
    """The consent was given while they were one: the case that gets it back had told nobody by it."""
    imprisoned(hub, LOSER)
    date = dated(hub, LOSER)
    hub.settle()
    hub.merge()
    hub.settle()
    consented(hub, LOSER)
    hub.settle()
    assert date in hub.held("A.JOB", WINNER)
    hour(hub)
    hub.unlink()
    withdrawn(hub, LOSER)
    hub.settle()
    assert date not in hub.held("A.JOB", LOSER) | hub.held("A.JOB", WINNER)
    assert_told_once(hub, LOSER)


@pytest.mark.parametrize("places", [{THIRD: 1, LOSER: 0, WINNER: 0}, {THIRD: 0, LOSER: 0, WINNER: 1}])
@pytest.mark.parametrize("is_closed_first", [False, True])
def test_what_a_case_had_from_a_third_one_is_handed_on(
    tmp_path: Path, places: dict[str, int], is_closed_first: bool
) -> None:
    hub = MergingShards(tmp_path, places)
    told_by(hub, THIRD)
    merges = [(THIRD, LOSER), (LOSER, WINNER)]
    for losing, winning in reversed(merges) if is_closed_first else merges:
        hub.merge(losing, winning)
    withdrawn(hub, THIRD)
    hub.settle()
    assert_told_once(hub, WINNER)
    hub.unlink(LOSER)
    hub.settle()
    assert_told_once(hub, LOSER)
    hub.unlink(THIRD)
    hub.settle()
    assert_told_once(hub, THIRD)


@pytest.mark.usefixtures("in_single_steps")
def test_while_facts_come_in_no_consent_counts_as_ended(hub: MergingShards) -> None:
    """Half of what has come may open less than all of it: here the amendment that opens the date comes after it."""
    imprisoned(hub, LOSER)
    values = consent(hub.now, ["CU"], ["A.JOB"]) | {"purposes": ["EMPLOYMENT"]}
    hub.state("PRI", "ConsentGiven", values, "given", LOSER)
    date = dated(hub, LOSER)
    hub.settle()
    opened(hub, LOSER, "A.SOC")
    hub.settle()
    assert date not in hub.held("A.JOB", LOSER)
    wider = values | {"categories": ["CU", "RE"], "version": 2, "dataFrom": day_date(20_000)}
    hub.state("PRI", "ConsentAmended", wider, "widened", LOSER)
    hub.settle()
    assert date in hub.held("A.JOB", LOSER)
    hub.merge()
    hub.settle()
    assert date in hub.held("A.JOB", WINNER)
    assert_told_nothing(hub)


@pytest.mark.usefixtures("in_single_steps")
def test_what_is_settled_while_facts_come_in_settles_no_ending(hub: MergingShards) -> None:
    """The release that comes takes a talk back from the prison meanwhile."""
    contact = talked(hub, WINNER, OTHER_CONSENT)
    withdrawn(hub, WINNER)
    told_by(hub, LOSER)
    released(hub, LOSER)
    hub.merge()
    hub.settle()
    assert contact not in hub.held("PRI", WINNER)
    assert_told_once(hub, WINNER)


def test_a_case_that_is_given_back_at_once_has_not_lost_its_consent(hub: MergingShards) -> None:
    date = told_by(hub, LOSER)
    hub.merge()
    hub.unlink()
    hub.settle()
    assert date in hub.held("A.JOB", LOSER)
    assert_told_nothing(hub)


def test_what_was_told_of_a_case_that_is_given_back_at_once_is_not_told_again(
    hub: MergingShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "MESSAGES_PER_TURN_MAX", 1)
    withdrawn(hub, WINNER)
    told_by(hub, LOSER)
    hub.merge()
    hub.unlink()
    hub.settle()
    assert_told_once(hub, LOSER)


@pytest.mark.usefixtures("in_single_steps")
@pytest.mark.parametrize("move", ["merge", "unlink"])
def test_it_is_told_once_wherever_a_shard_is_killed(hub: MergingShards, move: str) -> None:
    told_by(hub, LOSER)
    if move == "merge":
        withdrawn(hub, WINNER)
        hub.settle()
    hub.merge()
    if move == "unlink":
        hub.settle()
        hour(hub)
        hub.unlink()
        withdrawn(hub, LOSER)
    for turn in range(40):
        hub.channel.fail_after = turn % 3 == 0
        for shard in hub.shards:
            shard.forwarding.pause.until = 0.0
        hub.step()
        hub.restart(turn % 2)
    hub.settle()
    assert_told_once(hub, WINNER if move == "merge" else LOSER)


@pytest.mark.parametrize(
    ("given_to", "moment"), [(LOSER, "before the merge"), (LOSER, "while it runs"), (WINNER, "while it runs")]
)
def test_what_another_consent_goes_on_showing_is_lost_by_both_when_that_ends(
    hub: MergingShards, given_to: str, moment: str
) -> None:
    imprisoned(hub, WINNER)
    told_by(hub, LOSER)
    values = consent(hub.now, ["CU", "RE"], ["A.JOB"]) | {"purposes": ["EMPLOYMENT"], "dataFrom": day_date(20_000)}
    hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_CONSENT}, "other", given_to)
    hub.settle()
    hour(hub)
    if moment == "before the merge":
        withdrawn(hub, LOSER)
        hub.settle()
    hub.merge()
    if moment == "while it runs":
        withdrawn(hub, LOSER)
    hub.settle()
    assert_told_nothing(hub)
    hour(hub)
    ended = {"consentId": OTHER_CONSENT, "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", ended, "other ended", WINNER)
    hub.settle()
    assert told_that(hub, "CONSENT_ENDED") == [WINNER, WINNER]


@pytest.mark.parametrize("kind", ["RETRACTED", "CORRECTED"])
def test_whom_the_closed_case_had_told_hears_that_the_fact_is_mended_while_the_merge_runs(
    hub: MergingShards, kind: str
) -> None:
    date = told_by(hub, LOSER)
    hub.merge()
    if kind == "CORRECTED":
        dated(hub, LOSER, 20_500, revision=1)
    else:
        values = {"targetEventId": date.partition("/")[2], "at": hub.now, "reason": "DUPLICATE"}
        hub.state("PRI", "EventRetracted", values, "taken back", LOSER)
    hub.settle()
    assert told_that(hub, kind) == [WINNER]


def test_whom_it_had_told_of_what_is_dead_keeps_the_notice_of_that(hub: MergingShards) -> None:
    date = told_by(hub, LOSER)
    values = {"targetEventId": date.partition("/")[2], "at": hub.now, "reason": "DUPLICATE"}
    hub.state("PRI", "EventRetracted", values, "taken back", LOSER)
    hub.settle()
    notices = hub.held("A.JOB", LOSER, of_the_hub=True)
    assert told_that(hub, "RETRACTED") == [LOSER]
    for move, case_id in ((hub.merge, WINNER), (hub.unlink, LOSER)):
        hour(hub)
        move()
        hub.settle()
        assert hub.held("A.JOB", case_id, of_the_hub=True) == notices
        assert told_that(hub, "RETRACTED") == [case_id]


@pytest.mark.parametrize("named", [CONSENT_ID, OTHER_CONSENT])
@pytest.mark.parametrize("moment", ["before the merge", "while it runs"])
def test_a_consent_whose_id_was_corrected_ends_once_across_a_merge(hub: MergingShards, named: str, moment: str) -> None:
    date = told_by(hub, LOSER)
    values = consent(hub.now, ["CU", "RE"], ["A.JOB"]) | {"purposes": ["EMPLOYMENT"], "dataFrom": day_date(20_000)}
    hub.state("PRI", "ConsentGiven", values | {"consentId": OTHER_CONSENT}, "given", LOSER, revision=1)
    hub.settle()
    assert date in hub.held("A.JOB", LOSER)
    hour(hub)
    if moment == "while it runs":
        hub.merge()
    ended = {"consentId": named, "at": hub.now, "by": "SUBJECT"}
    hub.state("PRI", "ConsentWithdrawn", ended, "ended", LOSER)
    hub.settle()
    if moment == "before the merge":
        hub.merge()
        hub.settle()
    assert date not in hub.held("A.JOB", WINNER)
    assert_told_once(hub, WINNER)

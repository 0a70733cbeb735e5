"""A consent that ends after a gate had hidden what it showed: the party still has it, and is told to remove it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.fact import ce_id_of
from hub.disclosure import endings
from tests.shard.harness import DAY_MS, HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.reminding import released
from tests.shard.test_consent_endings import amended, told_of_endings
from tests.shard.test_disclosing import given, withdrawn

PARTIES = ("PRI", "KIF", "A.SOC", "A.ADD", "FAC")
REMAND_ID = "c0000000-0000-4000-8000-0000000000aa"


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    return hub


def outreach(hub: ShardUnderTest, number: int = 9) -> str:
    values = {"contactId": f"c0000000-0000-4000-8000-00000000000{number}", "at": hub.now, "setting": "STREET"}
    return hub.state("A.ADD", "OutreachContactMade", values, f"outreach {number}")


def shown_until_the_release(hub: ShardUnderTest, **changes: Any) -> str:
    """The prison is shown something by a consent until the release, which is now; return the consent's record."""
    record = given(hub, ["SU"], ["PRI", "FAC"], sources=["A.ADD"], **changes)
    contact = outreach(hub)
    hub.settle()
    assert contact in hub.view("PRI")
    hub.tick(HOUR_MS)
    released(hub)
    hub.settle()
    assert contact not in hub.view("PRI")
    return record


def shown_then_hidden(hub: ShardUnderTest, **changes: Any) -> str:
    """The same, an hour later."""
    record = shown_until_the_release(hub, **changes)
    assert told_of_endings(hub, "PRI") == []
    hub.tick(HOUR_MS)
    return record


def test_a_withdrawal_after_the_release_is_told_to_the_prison_once_and_it_owes_a_receipt(hub: ShardUnderTest) -> None:
    record = shown_then_hidden(hub)
    hub.restart()
    withdrawn(hub)
    told = [(ce_id_of(record), hub.now)]
    hub.settle()
    assert [told_of_endings(hub, party) for party in PARTIES] == [told, [], [], [], told]
    assert sorted(owed.party for owed in hub.store.obligations().values()) == ["FAC", "PRI"]
    for _ in range(2):
        hub.tick(DAY_MS)
        amended(hub, categories=["HO"], recipients=["PRI"])
        hub.state("PRI", "RemandStarted", remand(hub), f"remand {hub.now}")
        hub.settle()
        hub.restart()
    assert told_of_endings(hub, "PRI") == told


def remand(hub: ShardUnderTest) -> dict[str, Any]:
    custody = {
        "custodyId": f"c0000000-0000-4000-8000-{hub.now % 10**12:012d}",
        "startedAt": hub.now,
        "institution": "PRI",
    }
    return custody | {"restrictions": False, "homeMunicipality": "A"}


def test_a_consent_that_lapses_after_the_release_is_told_when_it_does(hub: ShardUnderTest) -> None:
    ends = hub.now + 5 * HOUR_MS
    record = shown_then_hidden(hub, validUntil=ends)
    hub.tick(ends - 1 - hub.now)
    hub.settle()
    assert told_of_endings(hub, "PRI") == []
    hub.tick(HOUR_MS)
    hub.settle()
    assert told_of_endings(hub, "PRI") == [(ce_id_of(record), ends)]


def test_what_the_consent_would_still_open_has_not_ended(hub: ShardUnderTest) -> None:
    shown_then_hidden(hub)
    amended(hub, categories=["SU", "HO"], sources=["A.ADD"], recipients=["PRI"])
    hub.settle()
    assert [len(told_of_endings(hub, party)) for party in ("PRI", "FAC")] == [0, 1]
    hub.tick(HOUR_MS)
    hub.state("PRI", "RemandStarted", remand(hub), "remand")
    hub.settle()
    assert len(hub.view("PRI")) > 0
    assert told_of_endings(hub, "PRI") == []
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    assert [at for _, at in told_of_endings(hub, "PRI")] == [hub.now]


def test_an_event_that_ends_no_consent_costs_no_further_look(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = {"activityId": "c0000000-0000-4000-8000-000000000007", "kind": "PRISON_WORK", "at": hub.now}
    stated = hub.state("PRI", "EmploymentStarted", work, "work")
    shown_then_hidden(hub)
    assert stated in hub.view("A.SOC")
    withdrawn(hub)
    hub.settle()
    looks: list[object] = []
    monkeypatch.setattr(endings, "derive", lambda *given: looks.append(given))
    outreach(hub, 8)
    hub.state("PRI", "EmploymentStarted", work | {"kind": "INTERNSHIP"}, "work", revision=1)
    hub.settle()
    assert stated not in hub.view("A.SOC")
    assert looks == []


def home_shown_on_remand(hub: ShardUnderTest) -> str:
    """The prison is shown by a consent where somebody on remand is to live; return that event."""
    hub.state("PRI", "RemandStarted", remand(hub) | {"custodyId": REMAND_ID}, "remand")
    given(hub, ["HO", "AD"], ["PRI"], sources=["A.SOC"])
    hub.settle()
    hub.tick(HOUR_MS)
    values = {"housingId": REMAND_ID, "kind": "TEMPORARY_107", "at": hub.now, "address": "Gade 1"}
    home = hub.state("A.SOC", "HousingSecured", values, "home")
    hub.settle()
    assert home in hub.view("PRI")
    hub.tick(HOUR_MS)
    return home


def released_from_remand(hub: ShardUnderTest, home: str) -> None:
    hub.state("PRI", "ReleasedFromRemand", {"custodyId": REMAND_ID, "releasedAt": hub.now}, "out of remand")
    hub.settle()
    assert home not in hub.view("PRI")
    hub.tick(HOUR_MS)


def sentenced(hub: ShardUnderTest) -> None:
    """From now on the law itself shows the prison where the citizen is to live."""
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | {"priorCustodyId": REMAND_ID}, "start")


@pytest.fixture
def free(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    return hub


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_what_the_law_shows_when_the_consent_ends_is_to_be_removed_when_the_law_shows_it_no_more(
    free: ShardUnderTest, *, hidden: bool, at_once: bool
) -> None:
    home = home_shown_on_remand(free)
    if hidden:
        released_from_remand(free, home)
    sentenced(free)
    if not at_once:
        free.settle()
        free.restart()
        free.tick(HOUR_MS)
    withdrawn(free)
    free.settle()
    assert home in free.view("PRI")
    assert told_of_endings(free, "PRI") == []
    free.restart()
    free.tick(HOUR_MS)
    released(free)
    free.settle()
    assert home not in free.view("PRI")
    assert [at for _, at in told_of_endings(free, "PRI")] == [free.now]


def test_an_end_that_was_told_while_a_gate_hid_what_was_shown_is_not_told_again_when_the_law_had_shown_it(
    free: ShardUnderTest,
) -> None:
    home = home_shown_on_remand(free)
    released_from_remand(free, home)
    withdrawn(free)
    free.settle()
    told = [at for _, at in told_of_endings(free, "PRI")]
    assert told == [free.now]
    free.tick(HOUR_MS)
    sentenced(free)
    free.settle()
    assert home in free.view("PRI")
    free.tick(HOUR_MS)
    released(free)
    free.settle()
    assert home not in free.view("PRI")
    assert [at for _, at in told_of_endings(free, "PRI")] == told


@pytest.mark.parametrize("by_law_again", [False, True])
def test_of_what_a_gate_hid_each_part_ends_when_its_consent_leaves_it_out(
    free: ShardUnderTest, *, by_law_again: bool
) -> None:
    home = home_shown_on_remand(free)
    released_from_remand(free, home)
    amended(free, categories=["HO"], sources=["A.SOC"], recipients=["PRI"])
    told = [free.now]
    free.settle()
    assert [at for _, at in told_of_endings(free, "PRI")] == told, "the address"
    free.tick(HOUR_MS)
    if by_law_again:
        sentenced(free)
        free.settle()
        assert home in free.view("PRI")
        free.tick(HOUR_MS)
    withdrawn(free)
    free.settle()
    if by_law_again:
        assert [at for _, at in told_of_endings(free, "PRI")] == told
        free.tick(HOUR_MS)
        released(free)
        free.settle()
    assert [at for _, at in told_of_endings(free, "PRI")] == [*told, free.now], "the kind of housing"


@pytest.mark.parametrize("then", ["corrected", "retracted"])
def test_first_words_that_a_gate_hid_are_to_be_removed_also_where_they_were_corrected_or_retracted_since(
    hub: ShardUnderTest, then: str
) -> None:
    shown_then_hidden(hub)
    if then == "corrected":
        values = {"contactId": "c0000000-0000-4000-8000-000000000009", "at": hub.now, "setting": "CONSUMPTION_ROOM"}
        hub.state("A.ADD", "OutreachContactMade", values, "outreach 9", revision=1)
    else:
        contact = hub.publisher("A.ADD").event_id("OutreachContactMade", "outreach 9")
        values = {"targetEventId": ce_id_of(contact), "at": hub.now, "reason": "NOT_OCCURRED"}
        hub.state("A.ADD", "EventRetracted", values, "taken back")
    hub.settle()
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    assert hub.parked() == []
    assert [len(told_of_endings(hub, party)) for party in ("FAC", "PRI")] == [1, 1]


def test_first_words_that_the_law_showed_when_the_consent_ended_are_to_be_removed_when_they_are_corrected(
    free: ShardUnderTest,
) -> None:
    home = home_shown_on_remand(free)
    sentenced(free)
    withdrawn(free)
    free.settle()
    assert home in free.view("PRI")
    free.tick(HOUR_MS)
    values = {"housingId": REMAND_ID, "kind": "TEMPORARY_107", "at": free.now, "address": "Gade 2"}
    corrected = free.state("A.SOC", "HousingSecured", values, "home", revision=1)
    free.settle()
    assert corrected in free.view("PRI")
    told = [at for _, at in told_of_endings(free, "PRI")]
    assert told == [free.now]
    free.tick(HOUR_MS)
    released(free)
    free.settle()
    assert corrected not in free.view("PRI")
    assert [at for _, at in told_of_endings(free, "PRI")] == told


def test_of_too_many_earlier_settlements_none_is_asked_and_an_end_is_told_again_rather_than_never(
    free: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one party states must not make the look its square."""
    home = home_shown_on_remand(free)
    released_from_remand(free, home)
    withdrawn(free)
    free.settle()
    free.tick(HOUR_MS)
    sentenced(free)
    free.settle()
    free.tick(HOUR_MS)
    monkeypatch.setattr(endings, "MOMENTS_MAX", 0)
    released(free)
    free.settle()
    assert home not in free.view("PRI")
    assert len(told_of_endings(free, "PRI")) == 2

"""A reminder reaches who would have been shown what is missing, when it has run out, until it is there."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.civil_time import moment_of
from contracts.fact import ce_id_of
from hub.continuity.clock_terms import CLOCKS_FILE, read_clock_terms
from hub.continuity.clocks import CLOCKS
from hub.disclosure.envelope import Envelopes
from hub.shard.reminders import MINUTE_MS, Reminders
from hub.store.records import FactRecorded
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, ShardUnderTest
from tests.shard.reminding import (
    CUSTODY,
    PARTIES,
    TRIAL_OVER,
    UUID,
    housing,
    imprisoned,
    raised,
    released,
    reminders,
    trial,
    trial_lapsed,
    until,
    who_is_reminded,
)
from tests.shard.test_disclosing import given, withdrawn


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.settle()
    return hub


def test_a_trial_without_a_word_is_presumed_lapsed_from_the_first_millisecond_after_its_last_day(
    hub: ShardUnderTest,
) -> None:
    started = trial(hub)
    hub.settle()
    until(hub, TRIAL_OVER - 1)
    assert reminders(hub, "A.ADD") == {}
    until(hub, TRIAL_OVER)
    assert reminders(hub, "A.ADD") == {"TRIAL_PRESUMED_LAPSED": (TRIAL_OVER, [ce_id_of(started)])}
    assert who_is_reminded(hub, "TRIAL_PRESUMED_LAPSED") == ["A.ADD"]
    until(hub, TRIAL_OVER + 40 * DAY_MS)
    assert raised(hub, "A.ADD", "TRIAL_PRESUMED_LAPSED") == 1


def test_ticks_alone_wake_the_shard_also_after_a_restart_and_from_a_cache_row(hub: ShardUnderTest) -> None:
    trial(hub)
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert hub.store.due_of([CASE]) == {CASE: TRIAL_OVER}
    hub.shard.cases.facts_max = 1
    hub.enrol(OTHER_CASE)
    hub.state("A.JOB", "CaseOpened", {"caseNo": "9", "at": hub.now}, "push", case_id=OTHER_CASE)
    hub.settle()
    assert set(hub.store.cache_rows([CASE])) == {CASE}
    hub.restart()
    until(hub, TRIAL_OVER - 1)
    assert reminders(hub, "A.ADD") == {}
    until(hub, TRIAL_OVER)
    assert list(reminders(hub, "A.ADD")) == ["TRIAL_PRESUMED_LAPSED"]
    hub.restart()
    until(hub, TRIAL_OVER + DAY_MS)
    assert raised(hub, "A.ADD", "TRIAL_PRESUMED_LAPSED") == 1


def test_what_comes_in_time_silences(hub: ShardUnderTest) -> None:
    trial(hub)
    until(hub, TRIAL_OVER - HOUR_MS)
    trial_lapsed(hub)
    until(hub, TRIAL_OVER + DAY_MS)
    assert raised(hub, "A.ADD", "TRIAL_PRESUMED_LAPSED") == 0


def test_a_late_end_takes_the_reminder_back_once(hub: ShardUnderTest) -> None:
    trial(hub)
    until(hub, TRIAL_OVER + DAY_MS)
    assert list(reminders(hub, "A.ADD")) == ["TRIAL_PRESUMED_LAPSED"]
    hub.tick(1_000)
    trial_lapsed(hub)
    hub.settle()
    until(hub, (hub.now // MINUTE_MS + 1) * MINUTE_MS)
    assert reminders(hub, "A.ADD") == {}
    before = len(hub.told("A.ADD"))
    until(hub, hub.now + 10 * DAY_MS)
    assert len(hub.told("A.ADD")) == before


def test_a_late_end_that_is_retracted_raises_it_again_as_another_reminder(hub: ShardUnderTest) -> None:
    trial(hub)
    until(hub, TRIAL_OVER)
    hub.tick(1_000)
    trial_lapsed(hub)
    hub.settle()
    until(hub, hub.now + 2 * MINUTE_MS)
    assert reminders(hub, "A.ADD") == {}
    hub.publisher("A.ADD").retract(
        "TreatmentTrialLapsed",
        "lapsed",
        key=hub.key("A.ADD"),
        reason="NOT_OCCURRED",
        at=moment_of(hub.now),
        published_at=hub.now,
        timestamp_ms=hub.now,
    )
    hub.settle()
    until(hub, hub.now + 2 * MINUTE_MS)
    assert list(reminders(hub, "A.ADD")) == ["TRIAL_PRESUMED_LAPSED"]
    assert raised(hub, "A.ADD", "TRIAL_PRESUMED_LAPSED") == 2


def test_a_fact_that_was_retracted_takes_its_reminders_with_it_at_once(hub: ShardUnderTest) -> None:
    trial(hub)
    until(hub, TRIAL_OVER + 1_000)
    assert reminders(hub, "A.ADD")
    hub.publisher("A.ADD").retract(
        "TreatmentTrialStarted",
        "trial",
        key=hub.key("A.ADD"),
        reason="WRONG_PERSON",
        at=moment_of(hub.now),
        published_at=hub.now,
        timestamp_ms=hub.now,
    )
    hub.settle()
    assert reminders(hub, "A.ADD") == {}


def test_no_housing_is_told_to_those_who_would_have_been_shown_housing_and_to_nobody_else(hub: ShardUnderTest) -> None:
    imprisoned(hub)
    hub.settle()
    hub.tick(60 * DAY_MS)
    release, at = released(hub, supervision=True), hub.now
    hub.settle()
    until(hub, at + MINUTE_MS)
    told = {party: reminders(hub, party).get("RELEASED_WITHOUT_HOUSING") for party in PARTIES}
    # Social services and benefits see housing of their whole municipality (S10). Probation sees it of social services
    # (S2), but not of the housing office: for probation the citizen may well have a place.
    entitled = ("A.SOC", "A.BEN")
    assert told == {party: (at, [ce_id_of(release)]) if party in entitled else None for party in PARTIES}
    assert release in hub.view("KIF")
    assert release in hub.view("A.JOB")


def test_housing_that_a_party_may_not_see_neither_silences_nor_raises_and_the_entitled_are_silenced(
    hub: ShardUnderTest,
) -> None:
    imprisoned(hub)
    hub.settle()
    hub.tick(60 * DAY_MS)
    released(hub)
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    housing(hub, "B.SOC")
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert "RELEASED_WITHOUT_HOUSING" in reminders(hub, "A.SOC"), "another municipality's housing is hidden from it"
    housing(hub)
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert "RELEASED_WITHOUT_HOUSING" not in reminders(hub, "A.SOC")
    housing(hub, "A.HSG", "HousingLost")
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert "RELEASED_WITHOUT_HOUSING" in reminders(hub, "A.SOC")
    assert raised(hub, "A.SOC", "RELEASED_WITHOUT_HOUSING") == 2


def test_a_consent_entitles_and_its_end_takes_the_reminder_back_in_the_same_settlement(hub: ShardUnderTest) -> None:
    given(hub, ["CU", "SU"], ["A.YTH"], sources=["A.ADD"], purposes=["EDUCATION"])
    trial(hub)
    until(hub, TRIAL_OVER)
    assert who_is_reminded(hub, "TRIAL_PRESUMED_LAPSED") == ["A.ADD", "A.YTH"]
    hub.tick(1_000)
    withdrawn(hub)
    hub.settle()
    assert who_is_reminded(hub, "TRIAL_PRESUMED_LAPSED") == ["A.ADD"]
    again = {"consentId": "d0000000-0000-4000-8000-000000000002", "dataFrom": date(2025, 1, 1)}
    given(hub, ["CU", "SU"], ["A.YTH"], sources=["A.ADD"], purposes=["EDUCATION"], **again)
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    assert who_is_reminded(hub, "TRIAL_PRESUMED_LAPSED") == ["A.ADD", "A.YTH"]
    assert raised(hub, "A.YTH", "TRIAL_PRESUMED_LAPSED") == 2


def test_a_consent_that_began_after_the_clock_does_not_entitle_to_what_may_have_happened_before(
    hub: ShardUnderTest,
) -> None:
    trial(hub)
    hub.settle()
    hub.tick(5 * DAY_MS)
    later = {"dataFrom": date(2025, 1, 10)}
    given(hub, ["CU", "SU"], ["A.YTH"], sources=["A.ADD"], purposes=["EDUCATION"], **later)
    hub.settle()
    until(hub, TRIAL_OVER)
    assert who_is_reminded(hub, "TRIAL_PRESUMED_LAPSED") == ["A.ADD"]


def test_a_reminder_says_what_ran_out_and_nothing_else(hub: ShardUnderTest) -> None:
    started = trial(hub)
    until(hub, TRIAL_OVER + 3 * HOUR_MS)
    (said,) = [held for held in hub.held("A.ADD").values() if held.get("kind") == "TRIAL_PRESUMED_LAPSED"]
    assert said == {
        "occurredAt": TRIAL_OVER,
        "recipient": "A.ADD",
        "kind": "TRIAL_PRESUMED_LAPSED",
        "dueAt": TRIAL_OVER,
        "at": TRIAL_OVER + 3 * HOUR_MS,
        "basedOn": [ce_id_of(started)],
        "publishersSilent": said["publishersSilent"],
    }
    assert said["kind"] in CLOCKS


def test_an_event_that_is_no_clock_event_asks_for_no_look_and_no_history(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    imprisoned(hub)
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    looks: list[int] = []
    look = Reminders.look

    def counted(*args: Any) -> Any:
        looks.append(1)
        return look(*args)

    monkeypatch.setattr(Reminders, "look", counted)
    due = hub.store.due_of([CASE])
    leave = {"leaveId": UUID(3), "kind": "ESCORTED", "startsAt": hub.now, "endsAt": hub.now, "purpose": "HOUSING"}
    for number in range(5):
        hub.state("PRI", "LeaveGranted", leave, f"leave {number}")
        hub.settle()
        until(hub, hub.now + MINUTE_MS)
    assert looks == []
    assert hub.store.due_of([CASE]) == due
    changed = {"custodyId": CUSTODY, "releaseDate": date(2026, 12, 1), "kind": "PAROLE"}
    for number in range(5):
        hub.state("PRI", "ReleaseDateChanged", changed, f"moved {number}")
        hub.settle()
    assert looks == [], "a clock event is looked at on the next whole minute"
    until(hub, hub.now + MINUTE_MS)
    assert looks == [1]


def test_a_failure_while_clocks_are_looked_at_holds_the_case_back_and_the_next_try_reminds_once(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial(hub)
    hub.settle()

    def fails(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("hub.shard.reminders.clocks_of", fails)
        until(hub, TRIAL_OVER)
        assert reminders(hub, "A.ADD") == {}
    until(hub, hub.now + 2 * MINUTE_MS)
    assert list(reminders(hub, "A.ADD")) == ["TRIAL_PRESUMED_LAPSED"]
    assert raised(hub, "A.ADD", "TRIAL_PRESUMED_LAPSED") == 1


def test_a_reminder_that_could_not_be_told_and_no_longer_holds_is_told_to_nobody(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial(hub)
    hub.settle()
    until(hub, hub.now + MINUTE_MS)

    def fails(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr(Envelopes, "form", fails)
        until(hub, TRIAL_OVER)
        hub.tick(1_000)
        trial_lapsed(hub)
        hub.settle()
    until(hub, hub.now + 2 * MINUTE_MS)
    assert raised(hub, "A.ADD", "TRIAL_PRESUMED_LAPSED") == 0


def test_the_hub_states_each_reminder_once_and_takes_it_back_by_a_record_of_its_own(hub: ShardUnderTest) -> None:
    trial(hub)
    until(hub, TRIAL_OVER)
    trial_lapsed(hub)
    hub.settle()
    until(hub, hub.now + MINUTE_MS)
    stated = [
        record.event_type
        for record in hub.store.case_records(CASE)
        if isinstance(record, FactRecorded) and record.party == "HUB"
    ]
    assert stated == ["ReminderRaised", "EventRetracted"]
    for party in PARTIES:
        assert not [said for *_, said in hub.told(party) if said.get("reason") == "OTHER"]


def test_other_terms_make_every_case_due_and_whoever_may_not_be_reminded_any_more_is_not(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    trial(hub)
    until(hub, TRIAL_OVER)
    assert list(reminders(hub, "A.ADD")) == ["TRIAL_PRESUMED_LAPSED"]
    text = CLOCKS_FILE.read_text(encoding="utf-8")
    before, after = 'jurisdictions = ["DK", "SE"]', 'jurisdictions = ["SE"]'
    other = tmp_path / "clocks.toml"
    other.write_text(text.replace(before, after, 1), encoding="utf-8")
    monkeypatch.setattr("hub.wiring.clock_terms", lambda: read_clock_terms(other))
    hub.restart()
    hub.tick()
    hub.settle()
    assert reminders(hub, "A.ADD") == {}

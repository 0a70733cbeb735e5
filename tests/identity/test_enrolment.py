"""What identity answers a party, what it tells the shard, and what it never lets out."""

from __future__ import annotations

import logging
import sqlite3
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from contracts.civil_time import day_number, instant_of
from contracts.failures import BadNationalId, BadSetting, CallerFailure, Failure, NotFound, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.partitioning import partition_of
from hub.broker.control_records import control_record
from hub.identity.basics import read_basics_rules
from hub.identity.enrolment import Identity
from hub.identity.pseudonyms import governance_case, pseudonym
from hub.identity.vault import Citizen, Vault
from tests.identity.conftest import HUB_SECRET, NOW, PARTITIONS, RecordingChannel

CPR = "010190-0001"
OTHER_CPR = "0202910002"
THIRD_CPR = "0303920009"
NAME = "Marguerite Unusualname"


def always(case_id: str, party: str) -> bool:
    return True


def never(case_id: str, party: str) -> bool:
    return False


def told_nothing(party: str, key: str) -> str | None:
    return None


def test_an_unknown_citizen_is_enrolled_and_the_shard_told_before_the_party_is(
    identity: Identity, channel: RecordingChannel
) -> None:
    key = identity.key_for(CPR, "PRI")
    (first_partition, first_type, enrolled), (second_partition, second_type, issued) = channel.told
    assert (first_type, second_type) == ("CitizenEnrolled", "KeyIssued")
    assert enrolled == {
        "caseId": issued["caseId"], "birthDate": day_number(date(1990, 1, 1)), "jurisdiction": "DK",
    }  # fmt: skip
    assert issued == {"caseId": issued["caseId"], "party": "PRI", "key": key}
    assert first_partition == second_partition == partition_of(key.encode(), PARTITIONS)
    assert key == pseudonym(HUB_SECRET, issued["caseId"], "PRI", first_partition, PARTITIONS)


def test_answer_and_steps_are_the_same_whether_or_not_the_citizen_was_known(
    identity: Identity, channel: RecordingChannel
) -> None:
    unknown = identity.key_for(CPR, "PRI")
    steps_of_unknown, channel.told = channel.told, []
    assert identity.key_for(CPR, "PRI") == unknown
    assert channel.told == steps_of_unknown


def test_two_parties_get_keys_that_share_only_the_partition(identity: Identity) -> None:
    prison, social = identity.key_for(CPR, "PRI"), identity.key_for(CPR, "A.SOC")
    assert prison != social
    assert partition_of(prison.encode(), PARTITIONS) == partition_of(social.encode(), PARTITIONS)
    assert not set(prison.split("-")) & set(social.split("-"))


def test_a_swedish_citizen_is_enrolled_under_swedish_law(identity: Identity, channel: RecordingChannel) -> None:
    identity.key_for("19900101-0017", "PRI")
    assert channel.told[0][2]["jurisdiction"] == "SE"


def test_no_answer_while_the_shard_cannot_be_told_and_the_same_key_afterwards(
    identity: Identity, vault: Vault, channel: RecordingChannel
) -> None:
    channel.failing = True
    with pytest.raises(TransportFailure):
        identity.key_for(CPR, "PRI")
    channel.failing = False
    key = identity.key_for(CPR, "PRI")
    assert [event_type for _, event_type, _ in channel.told] == ["CitizenEnrolled", "KeyIssued"]
    citizen = vault.behind("PRI", key)
    assert citizen is not None
    assert citizen.case_id == channel.told[0][2]["caseId"]


def test_enrolling_tells_the_shard_and_issues_no_key(identity: Identity, channel: RecordingChannel) -> None:
    case_id = identity.enrol(CPR, name=NAME)
    assert identity.enrol(CPR) == case_id
    assert {event_type for _, event_type, _ in channel.told} == {"CitizenEnrolled"}


def test_records_to_the_shard_carry_neither_national_id_nor_name(identity: Identity, channel: RecordingChannel) -> None:
    identity.enrol(CPR, name=NAME)
    identity.key_for(CPR, "PRI")
    told = repr(channel.told)
    assert "0101900001" not in told
    assert "Unusualname" not in told


@pytest.mark.parametrize(
    ("party", "name", "national_id"),
    [
        ("PRI", NAME, "0101900001"),
        ("A.SOC", NAME, "0101900001"),
        ("A.MNT", NAME, None),
        ("A.VOL", NAME, None),
        ("A.FAC", None, None),
    ],
)
def test_basics_by_role(identity: Identity, party: str, name: str | None, national_id: str | None) -> None:
    identity.enrol(CPR, name=NAME)
    key = identity.key_for(CPR, party)
    basics = identity.basics_of(key, party, always, told_nothing)
    assert (basics.pseudonym, basics.birth_year) == (key, 1990)
    assert (basics.name, basics.national_id) == (name, national_id)
    assert "Unusualname" not in repr(basics)
    assert "0101900001" not in repr(basics)


def test_visibility_is_asked_for_this_case_and_this_party(identity: Identity, channel: RecordingChannel) -> None:
    key = identity.key_for(CPR, "A.SOC")
    asked: list[tuple[str, str]] = []

    def note(case_id: str, party: str) -> bool:
        asked.append((case_id, party))
        return True

    identity.basics_of(key, "A.SOC", note, told_nothing)
    assert asked == [(channel.told[0][2]["caseId"], "A.SOC")]


def test_the_key_by_which_the_hub_first_told_of_a_citizen_leads_to_the_basics(
    identity: Identity, channel: RecordingChannel
) -> None:
    identity.enrol(CPR, name=NAME)
    ((shard, _, enrolled),) = channel.told
    on_the_record = pseudonym(HUB_SECRET, enrolled["caseId"], "A.SOC", shard, PARTITIONS)
    asked: list[tuple[str, str]] = []

    def case_behind(party: str, key: str) -> str | None:
        asked.append((party, key))
        return str(enrolled["caseId"])

    basics = identity.basics_of(on_the_record, "A.SOC", always, case_behind)
    assert (basics.pseudonym, basics.name) == (on_the_record, NAME)
    assert asked == [("A.SOC", on_the_record)]


def test_the_keys_under_which_either_case_of_a_merge_was_told_lead_to_the_one_that_goes_on(identity: Identity) -> None:
    identity.enrol(CPR)
    identity.enrol(OTHER_CPR, name=NAME)
    both = identity.link(CPR, OTHER_CPR)
    keys = [pseudonym(HUB_SECRET, each.case_id, "A.SOC", each.shard, PARTITIONS) for each in both]
    cases = {key: each.case_id for key, each in zip(keys, both, strict=True)}
    for key in keys:
        basics = identity.basics_of(key, "A.SOC", always, lambda _, asked: cases[asked])
        assert (basics.pseudonym, basics.name, basics.national_id) == (keys[1], NAME, OTHER_CPR)


def test_a_told_key_that_is_not_this_partys_of_this_case_or_is_about_no_citizen_fails_alike(
    identity: Identity, channel: RecordingChannel
) -> None:
    identity.enrol(CPR)
    ((shard, _, enrolled),) = channel.told
    case_id, nobody = enrolled["caseId"], governance_case(HUB_SECRET, "DK", 0)
    told, foreign = (pseudonym(HUB_SECRET, case_id, each, shard, PARTITIONS) for each in ("A.SOC", "PRI"))
    about_nobody = pseudonym(HUB_SECRET, nobody, "A.SOC", 0, PARTITIONS)
    asked = [(told, never, case_id), (told, always, None), (foreign, always, case_id), (about_nobody, always, nobody)]
    messages = []
    for key, visibility, case_behind in asked:
        with pytest.raises(NotFound) as caught:
            identity.basics_of(key, "A.SOC", visibility, lambda *_, case_behind=case_behind: case_behind)
        messages.append(str(caught.value))
    assert len(set(messages)) == 1


def test_unknown_foreign_and_invisible_keys_fail_alike(identity: Identity) -> None:
    own, foreign = identity.key_for(CPR, "A.SOC"), identity.key_for(CPR, "PRI")
    messages = []
    for key, visibility in ((own, never), (foreign, always), (own[:-1] + "x", always), ("", always)):
        with pytest.raises(NotFound) as caught:
            identity.basics_of(key, "A.SOC", visibility, told_nothing)
        messages.append(str(caught.value))
    assert len(set(messages)) == 1


def test_a_party_whose_key_is_right_is_told_that_the_hub_may_be_stopped_or_behind(identity: Identity) -> None:
    """Nothing says from here which it is: a hub that has not adopted the rules lets nobody see anything."""
    own = identity.key_for(CPR, "A.SOC")
    with pytest.raises(NotFound, match="its own key; if it is, the hub may be stopped or behind: ask again later"):
        identity.basics_of(own, "A.SOC", never, told_nothing)


def test_a_party_outside_the_registry_gets_no_answer_and_enrols_nobody(
    identity: Identity, channel: RecordingChannel
) -> None:
    with pytest.raises(NotFound, match="no such party"):
        identity.key_for(CPR, "POLICE")
    with pytest.raises(NotFound, match="no such party"):
        identity.basics_of("key", "POLICE", always, told_nothing)
    assert channel.told == []


def test_a_bad_id_is_refused_alike_whether_or_not_the_hub_knows_the_citizen(identity: Identity) -> None:
    messages = []
    for _ in range(2):
        with pytest.raises(BadNationalId) as caught:
            identity.key_for("0000000000", "PRI")
        messages.append(str(caught.value))
        identity.key_for("0000000000", "PRI", date(1980, 5, 6))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    ("national_id", "given"),
    [
        ("0101585000", None),
        ("3112995000", None),
        ("189912310001", None),
        ("000101011234", None),
        ("0000000000", date(1, 1, 1)),
        ("0000000000", date(1899, 12, 31)),
        ("0101575000", None),
        ("202506020001", None),
        ("0000000000", date(2025, 6, 2)),
    ],
)
def test_a_birth_date_that_no_record_carries_or_still_to_come_enrols_nobody(
    identity: Identity, channel: RecordingChannel, vault_path: Path, national_id: str, given: date | None
) -> None:
    with pytest.raises(BadNationalId, match="before 1900 or still to come") as caught:
        identity.key_for(national_id, "PRI", given)
    assert national_id[:6] not in str(caught.value)
    assert channel.told == []
    with closing(sqlite3.connect(vault_path)) as connection:
        assert connection.execute("SELECT count(*) FROM citizens").fetchone() == (0,)


@pytest.mark.parametrize("national_id", ["190001010001", "202506010001"])
def test_whoever_was_born_on_the_first_day_of_1900_or_today_is_enrolled(
    identity: Identity, channel: RecordingChannel, national_id: str
) -> None:
    assert identity.key_for(national_id, "PRI")
    _, event_type, payload = channel.told[0]
    assert control_record("identity", event_type, payload, NOW)


def test_today_is_the_day_of_the_citizens_own_country(vault: Vault, channel: RecordingChannel) -> None:
    def identity_at(clock: datetime) -> Identity:
        registry = PartyRegistry.of([Party("PRI")])
        return Identity(vault, HUB_SECRET, channel, registry, read_basics_rules(), lambda: instant_of(clock))

    with pytest.raises(BadNationalId, match="still to come"):
        identity_at(datetime(2025, 6, 1, 21, 59, tzinfo=UTC)).key_for("202506020001", "PRI")
    assert identity_at(datetime(2025, 6, 1, 22, 0, tzinfo=UTC)).key_for("202506020001", "PRI")


def test_no_failure_traceback_or_log_shows_who_was_asked_for(
    identity: Identity, channel: RecordingChannel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    channel.failing = True
    shown = ""
    attempts: list[Callable[[], object]] = [
        lambda: identity.key_for(CPR, "PRI"),
        lambda: identity.key_for(CPR, "POLICE"),
        lambda: identity.key_for(CPR + "9", "PRI"),
        lambda: identity.key_for(CPR, "PRI", date(1977, 3, 4)),
        lambda: identity.enrol(CPR, name=NAME + "\x00"),
    ]
    for attempt in attempts:
        with pytest.raises(Failure) as caught:
            attempt()
        lines = traceback.format_exception(caught.value)
        shown += "".join(line for line in lines if 'File "' not in line) + str(caught.value)
    shown += caplog.text
    for secret in ("010190", "0001", "Unusualname", "1977"):
        assert secret not in shown


def test_a_short_hub_secret_is_refused(vault: Vault, channel: RecordingChannel) -> None:
    with pytest.raises(BadSetting, match="the hub's secret"):
        Identity(vault, b"short", channel, PartyRegistry.of([]), read_basics_rules(), lambda: NOW)


def test_linked_ids_and_every_key_of_either_lead_to_the_case_that_goes_on(
    identity: Identity, channel: RecordingChannel
) -> None:
    keys = {each: identity.key_for(each, "PRI") for each in (CPR, OTHER_CPR)}
    identity.enrol(OTHER_CPR, name=NAME)
    losing, winning = identity.link(CPR, OTHER_CPR)
    merged = {"caseId": losing.case_id, "other": winning.case_id, "otherShard": winning.shard, "change": 1}
    assert channel.told[-1] == (losing.shard, "CaseMerged", merged)
    assert [name for _, name, _ in channel.told[-3:-1]] == ["CitizenEnrolled"] * 2
    assert identity.key_for(CPR, "PRI") == keys[OTHER_CPR]
    seen: list[str] = []

    def sees(case_id: str, _: str) -> bool:
        seen.append(case_id)
        return True

    basics = identity.basics_of(keys[CPR], "PRI", sees, told_nothing)
    assert seen == [winning.case_id]
    assert basics.national_id == OTHER_CPR
    assert basics.pseudonym == keys[OTHER_CPR]
    identity.done(losing, winning)
    identity.unlink(CPR)
    assert channel.told[-1] == (losing.shard, "CaseUnlinked", {"caseId": losing.case_id, "change": 2})
    assert identity.key_for(CPR, "PRI") == keys[CPR]


def test_a_link_may_be_repeated_and_chained_but_not_turned_round(identity: Identity) -> None:
    for each in (CPR, OTHER_CPR, THIRD_CPR):
        identity.enrol(each)
    first = identity.link(CPR, OTHER_CPR)
    identity.done(*first)
    second = identity.link(OTHER_CPR, THIRD_CPR)
    identity.done(*second)
    again = identity.link(CPR, OTHER_CPR)
    assert [each.case_id for each in again] == [each.case_id for each in first]
    assert identity.enrol(CPR) == second[1].case_id
    with pytest.raises(CallerFailure, match="other way round"):
        identity.link(THIRD_CPR, CPR)
    with pytest.raises(CallerFailure, match="unlink that one first"):
        identity.unlink(CPR)
    identity.unlink(OTHER_CPR)
    assert identity.enrol(CPR) == first[1].case_id


def test_what_the_shard_could_not_be_told_is_told_when_asked_again(
    identity: Identity, channel: RecordingChannel
) -> None:
    for each in (CPR, OTHER_CPR):
        identity.enrol(each)
    asked: list[tuple[Callable[[], tuple[Citizen, Citizen]], tuple[str, int]]] = [
        (lambda: identity.link(CPR, OTHER_CPR), ("CaseMerged", 1)),
        (lambda: identity.unlink(CPR), ("CaseUnlinked", 2)),
        (lambda: identity.link(CPR, OTHER_CPR), ("CaseMerged", 3)),
    ]
    for ask, told in asked:
        channel.failing = True
        with pytest.raises(TransportFailure):
            ask()
        channel.failing = False
        for _ in range(2):
            both = ask()
            _, name, payload = channel.told[-1]
            assert (name, payload["change"]) == told
        identity.done(*both)


@pytest.mark.parametrize(("given_up", "kept"), [("0303920003", CPR), (CPR, "0303920003"), (CPR, "199003030003")])
def test_ids_that_are_no_one_citizens_are_not_linked(identity: Identity, given_up: str, kept: str) -> None:
    identity.enrol(CPR)
    identity.enrol("199003030003")
    with pytest.raises((NotFound, CallerFailure)):
        identity.link(given_up, kept)

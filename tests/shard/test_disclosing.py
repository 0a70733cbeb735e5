"""What a party is told of a case: the difference to what it was told before, and nothing about what it may not see."""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.civil_time import day_date, day_number, day_of, moment_of, start_of_day, zone_of
from contracts.cloudevents import Attributes, parse_disclosed, published_headers
from contracts.codec import codec
from contracts.event_types import HUB
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from hub.broker.ports import InputRecord
from hub.store.records import DecisionsRecorded
from tests.shard.harness import CASE, DAY_MS, HOUR_MS, OTHER_CASE, PARTIES, ShardUnderTest, consent, imprisonment

CONSENT_ID = consent(0, (), ())["consentId"]
SECOND_CONSENT_ID = "d0000000-0000-4000-8000-000000000002"
GLASS_ID = "e0000000-0000-4000-8000-000000000001"
ZONE = zone_of("DK")
COMMON_HEADERS = {
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "hub_seq",
    "hub_effect",
    "hub_decision",
    "content-type",
}


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    return hub


def given(hub: ShardUnderTest, categories: list[str], recipients: list[str], **changes: Any) -> str:
    """State a consent of the prison's facts; return its event id."""
    values = consent(hub.now, categories, recipients) | changes
    return hub.state("PRI", "ConsentGiven", values, f"given {values['consentId']}")


def withdrawn(hub: ShardUnderTest, consent_id: str = CONSENT_ID) -> str:
    values = {"consentId": consent_id, "at": hub.now, "by": "SUBJECT"}
    return hub.state("PRI", "ConsentWithdrawn", values, f"withdrawn {consent_id}")


def release_date(hub: ShardUnderTest, day: int = 20_300) -> dict[str, Any]:
    return {"custodyId": imprisonment(0)["custodyId"], "releaseDate": day_date(day), "kind": "PAROLE"}


def sent(hub: ShardUnderTest, party: str) -> list[InputRecord]:
    return hub.broker.log(hub.names.output(party), 0)


def headers_of(hub: ShardUnderTest, party: str, event_id: str) -> list[dict[str, str]]:
    """The headers of every record that told `party` of that event."""
    found = [{name: value.decode() for name, value in record.headers} for record in sent(hub, party)]
    return [headers for headers in found if headers["ce_id"] == event_id.rpartition("/")[2]]


def effects(hub: ShardUnderTest, party: str, since: int = 0) -> list[tuple[str, str]]:
    return [(effect, event_id) for number, effect, event_id, _ in hub.told(party) if number > since]


def decisions(hub: ShardUnderTest, party: str, event_id: str) -> list[tuple[tuple[tuple[str, int], ...], int]]:
    """Every decision stored of one event for one party: (shown, number)."""
    records = list(hub.store.case_records(CASE))
    version = next(r.originator_version for r in records if getattr(r, "event_id", None) == event_id)
    return [
        (decision.shown, decision.number)
        for record in records
        if isinstance(record, DecisionsRecorded)
        for decision in record.decisions
        if (decision.fact_version, decision.party) == (version, party)
    ]


def test_a_publisher_gets_its_own_fact_back_whole_and_others_only_what_a_rule_opens(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    own = hub.view("PRI")[start]
    assert own == {**imprisonment(hub.now), "occurredAt": hub.now}
    assert decisions(hub, "PRI", start)[0][0][0][0] == "OWN"
    assert set(own) - set(hub.view("A.SOC")[start]) == {"sentenceDays", "offenceGroup"}
    assert [party for party in PARTIES if hub.told(party)] == ["PRI", "A.SOC", "A.JOB", "A.BEN"]


def test_a_party_without_a_right_gets_no_record_at_all(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.tick(DAY_MS)
    hub.state("A.ADD", "OutreachContactMade", {"contactId": CASE, "at": hub.now, "setting": "STREET"}, "outreach")
    hub.tick(DAY_MS)
    hub.settle()
    assert sent(hub, "B.SOC") == sent(hub, "KIF") == []
    assert len(sent(hub, "A.SOC")) == 1


def test_a_correction_takes_back_the_old_number_and_then_tells_the_new_fact(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    old = hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    before = len(hub.told("A.SOC"))
    new = hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "date", revision=1)
    hub.settle()
    for party in ("PRI", "A.SOC"):
        assert effects(hub, party, before)[:2] == [("retracted", old), ("disclosed", new)]
        assert headers_of(hub, party, new)[0]["ce_corrects"] == old.rpartition("/")[2]
    assert hub.view("A.SOC")[new]["releaseDate"] == 20_400
    assert old not in hub.view("PRI")


def test_a_party_that_was_not_told_of_the_old_fact_does_not_learn_that_there_was_one(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    old = hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    hub.tick(2 * DAY_MS)
    given(hub, ["CU", "RE"], ["B.SOC"])
    hub.tick(1000)
    new = hub.state("PRI", "ReleaseDateSet", release_date(hub, 20_400), "date", revision=1)
    hub.settle()
    assert old not in {event_id for _, _, event_id, _ in hub.told("B.SOC")}
    (told,) = headers_of(hub, "B.SOC", new)
    assert set(told) == COMMON_HEADERS
    assert headers_of(hub, "A.SOC", new)[0]["ce_corrects"] == old.rpartition("/")[2]


def test_a_retraction_hides_the_event_from_all_but_its_publisher(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    date = hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    assert date in hub.view("A.SOC")
    hub.tick(1000)
    hub.publisher("PRI").retract(
        "ReleaseDateSet",
        "date",
        key=hub.key("PRI"),
        reason="NOT_OCCURRED",
        at=moment_of(hub.now),
        published_at=hub.now,
        timestamp_ms=hub.now,
    )
    hub.settle()
    assert set(hub.view("A.SOC")) == {start}
    assert date in hub.view("PRI")
    assert hub.view("PRI")[date]["releaseDate"] == 20_300
    assert [told[1:] for told in hub.told("A.SOC") if told[1] == "retracted"] == [("retracted", date, {})]


def test_a_retracted_gate_fact_takes_everything_with_it_that_rested_on_it(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    hub.publisher("PRI").retract(
        "ImprisonmentStarted",
        "start",
        key=hub.key("PRI"),
        reason="WRONG_PERSON",
        at=moment_of(hub.now),
        published_at=hub.now,
        timestamp_ms=hub.now,
    )
    hub.settle()
    assert hub.view("A.SOC") == hub.view("A.JOB") == hub.view("A.BEN") == {}
    assert len(hub.view("PRI")) == 3


def test_a_narrowed_consent_tells_again_the_whole_fact_with_fewer_fields(hub: ShardUnderTest) -> None:
    full = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "full")
    lean = {
        name: value for name, value in imprisonment(hub.now).items() if name not in ("sentenceDays", "offenceGroup")
    }
    never_stated = hub.state("PRI", "ImprisonmentStarted", lean, "lean")
    given(hub, ["CU", "PL", "OF"], ["B.SOC"])
    hub.settle()
    assert hub.view("B.SOC")[full]["offenceGroup"] == "VIOLENCE"
    before = len(hub.told("B.SOC"))
    hub.tick(1000)
    hub.state("PRI", "ConsentAmended", consent(hub.now, ["CU", "PL"], ["B.SOC"]), "amended")
    hub.settle()
    told_again = [event_id for effect, event_id in effects(hub, "B.SOC", before) if effect == "disclosed"]
    assert full in told_again
    assert never_stated not in told_again
    assert effects(hub, "B.SOC", before).count(("retracted", full)) == 0
    assert hub.view("B.SOC")[full]["planDuty"] is True
    values = {headers["ce_id"]: record.value for record, headers in _with_headers(hub, "B.SOC")}
    # A closed field is written exactly as one that was never stated.
    assert values[full.rpartition("/")[2]] == values[never_stated.rpartition("/")[2]]


def _with_headers(hub: ShardUnderTest, party: str) -> list[tuple[InputRecord, dict[str, str]]]:
    return [(record, {name: value.decode() for name, value in record.headers}) for record in sent(hub, party)]


def test_a_change_of_basis_alone_is_recorded_and_not_sent(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU"], ["B.SOC"])
    hub.tick(1000)
    given(hub, ["CU"], ["B.SOC"], consentId=SECOND_CONSENT_ID)
    hub.settle()
    before = len(hub.told("B.SOC"))
    hub.tick(1000)
    withdrawal = withdrawn(hub)
    hub.settle()
    bases = [([basis for basis, _ in shown], number > 0) for shown, number in decisions(hub, "B.SOC", start)]
    assert bases == [([f"C:{CONSENT_ID}"], True), ([f"C:{SECOND_CONSENT_ID}"], False)]
    assert effects(hub, "B.SOC", before) == [("disclosed", withdrawal)]
    assert start in hub.view("B.SOC")


def test_rights_that_lapse_by_time_alone_lapse_on_the_first_tick_at_that_very_millisecond(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU"], ["B.SOC"], validUntil=hub.now + 3 * HOUR_MS)
    hub.settle()
    hub.tick(3 * HOUR_MS - 1)
    hub.settle()
    assert start in hub.view("B.SOC")
    hub.tick(1)
    hub.settle()
    assert start not in hub.view("B.SOC")
    assert hub.told("B.SOC")[-2][1:] == ("retracted", start, {})
    assert hub.told("B.SOC")[-1][3]["kind"] == "CONSENT_ENDED"
    hub.tick(DAY_MS)
    hub.settle()
    assert [effect for effect, event_id in effects(hub, "B.SOC") if event_id == start] == ["disclosed", "retracted"]


def test_a_consent_that_begins_later_opens_on_the_tick_of_its_first_millisecond(hub: ShardUnderTest) -> None:
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU"], ["B.SOC"], validFrom=hub.now + HOUR_MS)
    hub.settle()
    hub.tick(HOUR_MS - 1)
    hub.settle()
    assert start not in hub.view("B.SOC")
    hub.tick(1)
    hub.settle()
    assert start in hub.view("B.SOC")


def test_numbers_are_dense_per_party_over_all_cases(hub: ShardUnderTest) -> None:
    hub.enrol(OTHER_CASE)
    for number, case_id in enumerate((CASE, OTHER_CASE, CASE)):
        hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), f"start {number}", case_id=case_id)
        hub.state("A.JOB", "CaseOpened", {"caseNo": str(number), "at": hub.now}, f"case {number}", case_id=case_id)
        hub.tick(HOUR_MS)
        hub.settle()
    for party in PARTIES:
        numbers = [number for number, *_ in hub.told(party)]
        assert numbers == list(range(1, 1 + len(numbers)))
    assert len(hub.told("A.SOC")) >= 3
    assert {record.key for record in sent(hub, "PRI")} == {hub.key("PRI").encode(), hub.key("PRI", OTHER_CASE).encode()}


def test_a_late_fact_that_changes_the_standing_opens_what_was_closed(hub: ShardUnderTest) -> None:
    began = hub.now - 3 * DAY_MS
    date = hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    assert hub.told("A.SOC") == []
    hub.tick(HOUR_MS)
    start = hub.state("PRI", "ImprisonmentStarted", imprisonment(began), "start", occurred_at=began)
    hub.settle()
    assert set(hub.view("A.SOC")) == {date, start}
    assert hub.view("A.SOC")[start]["occurredAt"] == began


def test_a_fact_from_before_a_consents_reach_stays_closed_under_it(hub: ShardUnderTest) -> None:
    today = start_of_day(day_of(hub.now, ZONE), ZONE)
    before = hub.state("PRI", "ImprisonmentStarted", imprisonment(today - 1), "before", occurred_at=today - 1)
    on_the_day = hub.state("PRI", "ImprisonmentStarted", imprisonment(today), "on the day", occurred_at=today)
    given(hub, ["CU"], ["B.SOC"])
    hub.settle()
    assert on_the_day in hub.view("B.SOC")
    assert before not in hub.view("B.SOC")


def _state_of_the_hub(hub: ShardUnderTest, event_type: str, payload: dict[str, Any], number: int) -> str:
    ce_id = str(uuid.UUID(int=number))
    contract = catalogue().event_types[event_type]
    attributes = Attributes(ce_id, f"urn:party:{HUB}:operator", contract.ce_type, hub.now)
    value = codec().encode(schema_ids().published(event_type), {"occurredAt": hub.now, **payload})
    key = hub.key(HUB).encode()
    hub.broker.append(hub.names.hub_input, 0, key, value, published_headers(attributes), hub.now)
    return f"{HUB}/{ce_id}"


def test_a_fact_of_the_hub_itself_goes_to_those_it_is_about_and_to_no_topic_of_its_own(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    asked = {
        "requestId": GLASS_ID,
        "at": hub.now,
        "party": "A.SOC",
        "user": "u1",
        "categories": ["RI"],
        "reason": "SUICIDE_RISK",
        "justification": "the citizen has been found unconscious in the flat",
        "expiresAt": hub.now + HOUR_MS,
    }
    hub.state("A.SOC", "BreakGlassRequested", asked, "glass")
    hub.settle()
    hub.tick(DAY_MS)
    review = {"requestId": GLASS_ID, "at": hub.now, "party": "A.SOC", "user": "u2", "outcome": "JUSTIFIED"}
    reviewed = _state_of_the_hub(hub, "BreakGlassReviewed", review, 77)
    hub.settle()
    assert hub.parked() == []
    assert hub.view("A.SOC")[reviewed]["outcome"] == "JUSTIFIED"
    assert reviewed not in hub.view("B.SOC")
    assert parse_disclosed(sent(hub, "A.SOC")[-1].headers).party == HUB
    assert HUB not in hub.store.head().numbers


def test_a_key_that_a_party_first_saw_on_a_disclosure_is_accepted_from_it_afterwards(tmp_path: Path) -> None:
    hub = ShardUnderTest(tmp_path)
    hub.control.publish(0, "CitizenEnrolled", {"caseId": CASE, "birthDate": day_number_of(1988), "jurisdiction": "DK"})
    hub.control.publish(0, "KeyIssued", {"caseId": CASE, "party": "PRI", "key": hub.key("PRI")})
    hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "too early")
    hub.settle()
    assert [parked.reason for parked in hub.parked()] == [Reason.UNKNOWN_KEY]
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    seen = sent(hub, "A.SOC")[-1].key
    assert seen == hub.key("A.SOC").encode()
    hub.restart()
    opened = hub.state("A.SOC", "CaseOpened", {"caseNo": "1", "at": hub.now}, "now")
    hub.settle()
    assert opened in hub.view("A.SOC")
    assert len(hub.parked()) == 1


def day_number_of(year: int) -> int:
    return day_number(date(year, 4, 12))


def test_correlation_and_causation_go_along_only_to_whom_the_other_event_was_told(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    given(hub, ["CU"], ["B.SOC"])
    # B.SOC is told of custody only, so never of this one.
    date = hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.tick(1000)
    links = {"correlation": date.rpartition("/")[2], "causation": date.rpartition("/")[2]}
    moved = {
        "custodyId": imprisonment(0)["custodyId"],
        "fromParty": "PRI",
        "toParty": "PRI",
        "transferredAt": hub.now,
    }
    transfer = hub.state("PRI", "TransferredBetweenPrisons", moved, "moved", **links)
    hub.settle()
    told, not_told = headers_of(hub, "A.SOC", transfer)[0], headers_of(hub, "B.SOC", transfer)[0]
    assert (told["ce_correlationid"], told["ce_causationid"]) == (links["correlation"], links["causation"])
    assert set(not_told) == COMMON_HEADERS


def test_the_envelope_says_nothing_of_system_source_reference_or_recorded_time(hub: ShardUnderTest) -> None:
    recorded_at = hub.now + 777
    hub.tick(5_000)
    hub.publisher("PRI").publish_values(
        "ImprisonmentStarted",
        imprisonment(hub.now) | {"startedAt": moment_of(hub.now)},
        occurred_at=hub.now - 5_000,
        key=hub.key("PRI"),
        source_ref="file-4711",
        published_at=hub.now - 4_000,
        timestamp_ms=recorded_at,
    )
    published = hub.last_input("PRI")
    hub.settle()
    (record,) = sent(hub, "A.SOC")
    headers = {name: value.decode() for name, value in record.headers}
    assert set(headers) == COMMON_HEADERS
    assert headers["ce_source"] == "urn:party:PRI"
    assert record.key == hub.key("A.SOC").encode() != published.key
    everything = repr((record.key, record.value, headers))
    assert "4711" not in everything
    assert ".777Z" not in everything
    assert dict(published.headers)["ce_source"] == b"urn:party:PRI:test"


def test_decision_references_differ_for_every_record_and_party(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.state("PRI", "ReleaseDateSet", release_date(hub), "date")
    hub.settle()
    references = [parse_disclosed(record.headers).decision for party in PARTIES for record in sent(hub, party)]
    assert len(references) == len(set(references)) > 4

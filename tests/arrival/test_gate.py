"""The gate by itself: what makes a record sound, what makes it a repeat, and what it may refer to."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.cloudevents import Attributes, published_headers
from contracts.codec import codec
from contracts.failures import Refused
from contracts.limits import TEXT_CHARACTERS_MAX
from contracts.parties import Party
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from hub.arrival.gate import CLOCK_SKEW_MS_MAX, Statement, digest_of, fact_of, is_repeat, place, read
from hub.broker.ports import InputRecord
from tests.shard.harness import consent

NOW = 1_736_150_400_000
SECRET = b"\x07" * 32
A_SOC = Party("A.SOC")
CASE, OTHER_CASE = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
CE_ID, OTHER_CE_ID = str(uuid.UUID(int=3)), str(uuid.UUID(int=4))


def record(
    event_type: str = "CaseOpened",
    payload: dict[str, Any] | None = None,
    *,
    time: int = NOW,
    system: str = "test",
    corrects: str | None = None,
) -> InputRecord:
    values = {"occurredAt": NOW, **({"caseNo": "1", "at": NOW} if payload is None else payload)}
    attributes = Attributes(
        CE_ID, f"urn:party:A.SOC:{system}", catalogue().event_types[event_type].ce_type, time, corrects
    )
    value = codec().encode(schema_ids().published(event_type), values)
    return InputRecord("in.a-soc.v1", 0, 0, NOW, CASE.encode(), value, published_headers(attributes))


def statement(**changes: Any) -> Statement:
    return read(record(**changes), A_SOC, NOW, codec())


class Case:
    """What the gate may ask, answered from three sets."""

    def __init__(
        self,
        live: set[tuple[str, str]],
        consents: set[tuple[str, str]],
        notices: set[tuple[str, str]] = frozenset(),  # type: ignore[assignment]
    ) -> None:
        self.live, self.consents, self.notices = live, consents, notices

    def is_live(self, event_id: str, event_type: str | None) -> bool:
        return any(event_id == known and event_type in (None, name) for known, name in self.live)

    def consent_known_to(self, consent_id: str, party: str) -> bool:
        return (consent_id, party) in self.consents

    def is_notice_to(self, event_id: str, party: str) -> bool:
        return (event_id, party) in self.notices


NOTHING_KNOWN = Case(set(), set())


def test_a_sound_record_is_a_statement_of_its_own_party_and_becomes_that_fact() -> None:
    stated = statement(corrects=OTHER_CE_ID)
    assert (stated.event_id, stated.corrects) == (f"A.SOC/{CE_ID}", f"A.SOC/{OTHER_CE_ID}")
    fact = fact_of(stated, NOW + 5)
    assert (fact.event_id, fact.event_type, fact.party) == (stated.event_id, "CaseOpened", "A.SOC")
    assert (fact.occurred_at, fact.recorded_at, fact.corrects) == (NOW, NOW + 5, stated.corrects)
    assert fact.payload["caseNo"] == "1"


def test_a_fact_may_lie_as_far_in_the_future_as_clocks_may_differ_and_no_further() -> None:
    latest = {"caseNo": "1", "at": NOW, "occurredAt": NOW + CLOCK_SKEW_MS_MAX}
    assert statement(payload=latest).occurred_at == NOW + CLOCK_SKEW_MS_MAX
    with pytest.raises(Refused) as refused:
        statement(payload={**latest, "occurredAt": NOW + CLOCK_SKEW_MS_MAX + 1})
    assert refused.value.reason == Reason.IN_THE_FUTURE
    assert str(NOW) not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "repeat"),
    [
        ({}, True),
        ({"time": NOW - 1}, True),
        ({"system": "other"}, False),
        ({"corrects": OTHER_CE_ID}, False),
        ({"payload": {"caseNo": "2", "at": NOW}}, False),
        ({"event_type": "CaseClosed"}, False),
    ],
)
def test_a_repeat_states_the_same_whenever_it_was_sent(changes: dict[str, Any], repeat: bool) -> None:
    first, second = (digest_of(statement(**given), CASE, SECRET) for given in ({}, changes))
    if repeat:
        assert is_repeat(second, first) is True
    else:
        with pytest.raises(Refused) as refused:
            is_repeat(second, first)
        assert refused.value.reason == Reason.SAME_ID_OTHER_BYTES


def test_a_digest_holds_for_one_case_and_one_secret_and_the_first_statement_is_no_repeat() -> None:
    stated = statement()
    digest = digest_of(stated, CASE, SECRET)
    assert len({digest, digest_of(stated, OTHER_CASE, SECRET), digest_of(stated, CASE, b"\x08" * 32)}) == 3
    assert is_repeat(digest, None) is False


def test_a_correction_must_name_a_live_event_of_the_same_party_and_type() -> None:
    correction = statement(corrects=OTHER_CE_ID)
    place(correction, Case({(f"A.SOC/{OTHER_CE_ID}", "CaseOpened")}, set()))
    for live in (set(), {(f"A.SOC/{OTHER_CE_ID}", "CaseClosed")}, {(f"PRI/{OTHER_CE_ID}", "CaseOpened")}):
        with pytest.raises(Refused) as refused:
            place(correction, Case(live, set()))
        assert (refused.value.reason, refused.value.field) == (Reason.CORRECTS_NOTHING, "ce_corrects")


def test_no_event_corrects_or_takes_back_itself_whatever_is_known_of_it() -> None:
    values = {"targetEventId": CE_ID, "at": NOW, "reason": "DUPLICATE"}
    correction = statement(corrects=CE_ID)
    retraction = statement(event_type="EventRetracted", payload=values)
    known = Case({(f"A.SOC/{CE_ID}", "CaseOpened")}, set())
    for stated, field in ((correction, "ce_corrects"), (retraction, "targetEventId")):
        with pytest.raises(Refused) as refused:
            place(stated, known)
        assert (refused.value.reason, refused.value.field) == (Reason.CORRECTS_NOTHING, field)
        assert "ce_id" in refused.value.fix


def test_a_retraction_must_name_a_live_event_of_the_same_party_of_whatever_type() -> None:
    retraction = statement(
        event_type="EventRetracted", payload={"targetEventId": OTHER_CE_ID, "at": NOW, "reason": "DUPLICATE"}
    )
    place(retraction, Case({(f"A.SOC/{OTHER_CE_ID}", "HousingApplied")}, set()))
    for live in (set(), {(f"PRI/{OTHER_CE_ID}", "HousingApplied")}):
        with pytest.raises(Refused) as refused:
            place(retraction, Case(live, set()))
        assert (refused.value.reason, refused.value.field) == (Reason.CORRECTS_NOTHING, "targetEventId")


def test_an_amendment_must_be_of_a_consent_that_its_publisher_knows() -> None:
    values = consent(NOW, ["HO"], ["A.SOC"])
    amendment = statement(event_type="ConsentAmended", payload=values)
    place(amendment, Case(set(), {(values["consentId"], "A.SOC")}))
    for known in (set(), {(values["consentId"], "PRI")}, {(CASE, "A.SOC")}):
        with pytest.raises(Refused) as refused:
            place(amendment, Case(set(), known))
        assert refused.value.reason == Reason.UNKNOWN_CONSENT


def test_a_receipt_must_answer_a_notice_to_its_own_party_and_name_a_ground_for_what_is_kept() -> None:
    def receipt(outcome: str, **more: object) -> Statement:
        values = {"targetEventId": OTHER_CE_ID, "at": NOW, "outcome": outcome, **more}
        return statement(event_type="RemovalReceipted", payload=values)

    told = Case(set(), set(), {(f"HUB/{OTHER_CE_ID}", "A.SOC")})
    place(receipt("PURGED"), told)
    place(receipt("KEPT", legalBasisCode="GDPR-17-3-b"), told)
    for notices in (set(), {(f"HUB/{OTHER_CE_ID}", "PRI")}, {(f"PRI/{OTHER_CE_ID}", "A.SOC")}):
        with pytest.raises(Refused) as refused:
            place(receipt("PURGED"), Case(set(), set(), notices))
        assert (refused.value.reason, refused.value.field) == (Reason.ANSWERS_NOTHING, "targetEventId")
    with pytest.raises(Refused) as refused:
        place(receipt("KEPT"), told)
    assert (refused.value.reason, refused.value.field) == (Reason.VALUE_OUTSIDE_MODEL, "legalBasisCode")


def test_an_event_that_refers_to_nothing_needs_nothing_to_be_known() -> None:
    place(statement(), NOTHING_KNOWN)


def test_whatever_the_contract_lets_a_publisher_send_is_not_too_large_for_the_gate() -> None:
    text = "x" * TEXT_CHARACTERS_MAX
    needs = [{"domain": "HOUSING", "level": "ACUTE", "note": text} for _ in range(100)]
    interview = {"custodyId": CASE, "heldAt": NOW, "fileAccessConsentAsked": True, "needs": needs}
    attributes = Attributes(CE_ID, "urn:party:PRI:test", catalogue().event_types["IntakeInterviewHeld"].ce_type, NOW)
    value = codec().encode(schema_ids().published("IntakeInterviewHeld"), {"occurredAt": NOW, **interview})
    sent = InputRecord("in.pri.v1", 0, 0, NOW, CASE.encode(), value, published_headers(attributes))
    assert 64 * 1024 < len(value) < 262_144
    assert len(read(sent, Party("PRI"), NOW, codec()).payload["needs"]) == 100

"""What a case costs grows as what was stated in it: emergency requests, and the records of consents.

Each beside equality with the plain reading, asked of every fact for every request and record.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.categories import mask_of
from contracts.fact import Fact, Outline, outline_of
from contracts.parties import Party
from hub.consent.corrections import Superseded
from hub.consent.decision import Decider
from hub.consent.emergency import OpenGlass, open_glass
from hub.consent.health import episodes
from hub.consent.moment import Moment
from hub.consent.policy import Policy, load_policy
from hub.consent.responsibility import responsible_as_known_at, responsible_municipality
from hub.consent.standing import Person, derive
from hub.continuity.case import Known, KnownCase
from hub.continuity.emergency import requests
from hub.continuity.terms import terms
from tests.consent.histories import FIRST_DAY, PARTIES, REGISTRY, histories, moments
from tests.work import lines_run

HOUR_MS = 3_600_000
NOON = FIRST_DAY * 24 * HOUR_MS + 12 * HOUR_MS
POLICIES = {jurisdiction: load_policy(jurisdiction, REGISTRY) for jurisdiction in ("DK", "SE")}
GLASS = ("BreakGlassGranted", "BreakGlassDenied", "BreakGlassEnded")
PERSON = Person(date(1990, 5, 5), "DK")
in_each_jurisdiction = pytest.mark.parametrize("jurisdiction", ["DK", "SE"])


def stated(number: int, event_type: str, party: str, at: int = NOON, /, **payload: Any) -> Fact:
    return Fact(f"{party}/{event_type}{number:05}", event_type, party, at, at, payload)


def request(number: int, party: str = "KIF") -> Fact:
    return stated(
        number, "BreakGlassRequested", party, requestId=f"r{number}", party=party, user="u", categories=["MH"],
        reason="OVERDOSE", justification="x" * 40, expiresAt=NOON + 9 * HOUR_MS,
    )  # fmt: skip


def emergencies(count: int, party: str) -> list[Fact]:
    """Requests of one party, an admission of its own for each, and what became of them."""
    facts = [request(number, party) for number in range(count)]
    for number in range(count):
        facts += [
            stated(number, "AdmissionStarted", party, NOON - HOUR_MS, admissionId=f"a{number}"),
            stated(number, "BreakGlassGranted", "PHE", NOON + HOUR_MS, requestId=f"r{number}", party=party),
            stated(number, "BreakGlassReviewed", "PHE", NOON + HOUR_MS, requestId=f"r{number}", party=party),
        ]
        if number % 2:
            facts.append(stated(number, "BreakGlassEnded", party, NOON + HOUR_MS, requestId=f"r{number}"))
    return facts


@pytest.mark.parametrize("party", ["KIF", "PSY"])
def test_a_standing_costs_as_many_steps_as_there_are_emergency_requests(party: str) -> None:
    def work(count: int) -> int:
        facts = emergencies(count, party)
        return lines_run(lambda: derive(facts, {}, frozenset(), PERSON, NOON + 2 * HOUR_MS, POLICIES["DK"]))

    assert work(200) < 2.5 * work(100)


def test_the_clocks_of_emergency_access_cost_as_many_steps_as_there_are_requests() -> None:
    def work(count: int) -> int:
        facts = map(Known, emergencies(count, "KIF"))
        case = KnownCase.of(facts, PERSON, NOON + 2 * HOUR_MS, POLICIES["DK"], terms())
        assert len(requests(case)) == count
        return lines_run(lambda: requests(case))

    assert work(200) < 2.5 * work(100)


def test_what_many_open_requests_open_is_one_line() -> None:
    def work(count: int) -> int:
        facts = [request(number, "PSY") for number in range(count)]
        standing = derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"])
        assert len(standing.open_glass) == count
        decider = Decider(POLICIES["DK"], standing)
        offence = mask_of(["OF"])
        outline = Outline("PHE/n", "RiskNoteRecorded", "PHE", NOON, offence, offence, {})
        decider.shown(outline, "PSY")
        return lines_run(lambda: [decider.shown(outline, "PSY") for _ in range(10)])

    assert work(200) == work(2)


def consents(count: int) -> list[Fact]:
    return [
        stated(
            number, "ConsentGiven", "A.JOB", consentId=f"c{number}", collectedBy="A.JOB", validFrom=NOON,
            sources=[f"{number}.{part}.ADD" for part in range(20)],
            recipients=["A.SOC", "A.BEN", *(f"{number}.{part}.SOC" for part in range(20))],
        )
        for number in range(count)
    ]  # fmt: skip


def test_who_was_responsible_is_asked_for_each_consent_of_the_few_facts_that_say_it() -> None:
    def work(count: int) -> int:
        facts = [
            Fact(
                fact.event_id, fact.event_type, fact.party, NOON, NOON,
                {**fact.payload, "form": "WRITTEN", "givenBy": "SUBJECT", "categories": ["CU"], "evidenceRef": "x",
                 "purposes": ["SOCIAL_SUPPORT"], "withdrawalExplained": True, "capacityConfirmed": True},
            )
            for fact in consents(count)
        ]  # fmt: skip
        standing = derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"])
        assert len(standing.consents) == count
        return lines_run(lambda: derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"]))

    assert work(200) < 2.5 * work(100)


def test_who_hears_of_a_record_is_looked_up_by_its_consent() -> None:
    def work(count: int) -> int:
        facts = consents(count) + [
            stated(number, "ConsentExpired", "A.JOB", consentId=f"c{number}") for number in range(count)
        ]
        standing = derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"])
        decider = Decider(POLICIES["DK"], standing)
        outlines = [outline_of(fact, catalogue().event_types[fact.event_type]) for fact in facts[count:]]
        assert set(decider.decided(outlines[0])) == {"A.JOB", "A.SOC", "A.BEN"}
        return lines_run(lambda: [decider.decided(outline) for outline in outlines])

    assert work(100) < 2.5 * work(50)


def test_who_hears_of_a_record_is_asked_once_for_each_record(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    whom = Decider.record_parties

    def asking(decider: Decider, outline: Outline) -> frozenset[str]:
        asked.append(outline.event_id)
        return whom(decider, outline)

    monkeypatch.setattr(Decider, "record_parties", asking)
    facts = consents(3)
    decider = Decider(POLICIES["DK"], derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"]))
    for fact in facts:
        decider.decided(outline_of(fact, catalogue().event_types[fact.event_type]))
    assert asked == [fact.event_id for fact in facts]


def test_placements_cost_as_many_steps_as_there_are() -> None:
    def work(count: int) -> int:
        facts: list[Fact] = []
        for number in range(count):
            facts.append(stated(number, "CarePlacementStarted", "A.SOC", NOON - HOUR_MS, placementId=f"p{number}"))
            facts.append(stated(number, "CarePlacementEnded", "A.SOC", NOON - 1, placementId=f"p{number}"))
        return lines_run(lambda: derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"]))

    assert work(200) < 2.5 * work(100)


def test_a_breach_is_looked_up_by_its_placement() -> None:
    def work(count: int) -> int:
        facts = [stated(n, "CarePlacementStarted", "A.SOC", NOON - HOUR_MS, placementId=f"p{n}") for n in range(count)]
        decider = Decider(POLICIES["DK"], derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"]))
        mask = mask_of(["RI"])
        breaches = [
            Outline(f"FAC/b{n}", "CarePlacementBreached", "FAC", NOON, mask, mask, {"placementId": f"p{n}"})
            for n in range(count)
        ]
        return lines_run(lambda: [decider.decided(outline) for outline in breaches])

    assert work(200) < 2.5 * work(100)


def test_consents_beside_as_many_cases_opened_cost_as_many_steps() -> None:
    sound = {
        "collectedBy": "A.SOC", "givenBy": "SUBJECT", "form": "WRITTEN", "categories": ["SU"], "sources": ["A.ADD"],
        "recipients": ["FAC"], "purposes": ["TREATMENT"], "withdrawalExplained": True, "capacityConfirmed": True,
        "evidenceRef": "x",
    }  # fmt: skip

    def work(count: int) -> int:
        opened = [stated(n, "CaseOpened", "A.JOB", NOON - 3 * HOUR_MS) for n in range(count)]
        given = [
            stated(n, "ConsentGiven", "A.JOB", NOON - HOUR_MS, consentId=f"c{n}", validFrom=NOON - HOUR_MS + n, **sound)
            for n in range(count)
        ]
        return lines_run(lambda: derive([*opened, *given], {}, frozenset(), PERSON, NOON, POLICIES["DK"]))

    assert work(200) < 2.5 * work(100)


def test_whom_an_agreement_on_discharge_names_is_looked_up_by_its_admission() -> None:
    def work(count: int) -> int:
        facts = [
            stated(n, "DischargeAgreementMade", "PSY", NOON - HOUR_MS, admissionId=f"a{n}", parties=["A.SOC"])
            for n in range(count)
        ]
        decider = Decider(POLICIES["DK"], derive(facts, {}, frozenset(), PERSON, NOON, POLICIES["DK"]))
        mask = mask_of(["MH"])
        ended = [
            Outline(f"PSY/b{n}", "AdmissionEnded", "PSY", NOON, mask, mask, {"admissionId": f"a{n}"})
            for n in range(count)
        ]
        return lines_run(lambda: [decider.decided(outline) for outline in ended])

    assert work(200) < 2.5 * work(100)


# --- equality with the plain reading


RESPONSIBLE = st.builds(
    lambda number, kind, day, at, recorded, until: (
        Fact(f"A.SOC/e{number}", kind, f"{'AB'[number % 2]}.SOC", at, recorded,
             {"effectiveDate": FIRST_DAY + day, "toMunicipality": "AB"[number % 2], "homeMunicipality": "C"}),
        until,
    ),
    st.integers(0, 10**6), st.sampled_from(("CaseOpened", "ResponsibilityTransferred", "ImprisonmentStarted")),
    st.integers(-2, 2), *(st.integers(-30, 30).map(lambda hours: NOON + hours * HOUR_MS),) * 2,
    st.none() | st.integers(-30, 30).map(lambda hours: NOON + hours * HOUR_MS),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(RESPONSIBLE, max_size=8, unique_by=lambda each: each[0].event_id), st.lists(st.integers(-40, 40)))
def test_who_was_responsible_is_as_the_plain_reading_has_it(
    drawn: list[tuple[Fact, int | None]], hours: list[int]
) -> None:
    moment, instants = Moment(NOON, POLICIES["DK"]), [NOON + each * HOUR_MS for each in hours]
    live = [fact for fact, until in drawn if until is None]
    gone = [Superseded(fact, until) for fact, until in drawn if until is not None]
    plain = {}
    for then in instants:
        known = [fact for fact in live if fact.recorded_at <= then]
        known += [each.fact for each in gone if each.fact.recorded_at <= then < each.until]
        earlier = Moment(then, moment.policy)
        plain[then] = responsible_municipality(earlier.began_by_now(known), earlier)
    assert responsible_as_known_at(instants, live, gone, moment) == plain


@st.composite
def emergency_facts(draw: Callable[..., Any]) -> list[Fact]:
    """Requests, answers, ends and admissions, dense: few ids, few hours, late and early."""
    facts = []
    for number in range(draw(st.integers(1, 14))):
        event_type = draw(st.sampled_from(("BreakGlassRequested", *GLASS, "AdmissionStarted", "AdmissionEnded")))
        party = draw(st.sampled_from(("PSY", "PHE", "KIF", "A.SOC")))
        at = NOON + draw(st.integers(0, 60)) * HOUR_MS
        payload: dict[str, Any] = {"admissionId": draw(st.sampled_from("ab"))}
        if event_type in ("BreakGlassRequested", *GLASS):
            expires = draw(st.none() | st.integers(0, 130).map(lambda hour: NOON + hour * HOUR_MS))
            payload = {"requestId": draw(st.sampled_from("rst")), "expiresAt": expires}
            payload["party"] = draw(st.sampled_from(("KIF", "KIF", "A.SOC")))
            payload["categories"] = draw(st.sampled_from((None, None, ["MH"], ["CU", "OF"])))
        if event_type == "BreakGlassRequested":
            payload |= {
                "party": draw(st.sampled_from((party, party, "PSY"))),
                "categories": draw(st.lists(st.sampled_from(("MH", "CU", "OF")), max_size=3)),
                "reason": draw(st.sampled_from(("OVERDOSE", "OVERDOSE", None))),
                "justification": "x" * draw(st.sampled_from((29, 30, 40))),
            }
        late = draw(st.integers(0, 3)) * HOUR_MS
        facts.append(Fact(f"{party}/e{number}", event_type, party, at, at + late, payload))
    return facts


def plain_open_glass(facts: list[Fact], at: int, policy: Policy) -> tuple[list[OpenGlass], set[int]]:
    """4.6 and 4.9.21 as they stand, every fact asked for every request; and the ends that are still to come."""
    terms_of, to_come = policy.rules.break_glass, set()
    ordered = sorted((fact for fact in facts if fact.occurred_at <= at), key=lambda fact: fact.order)
    found: dict[str, Fact] = {}
    for fact in sorted(ordered, key=lambda fact: (fact.recorded_at, fact.event_id)):
        if fact.event_type == "BreakGlassRequested" and fact.party == fact.payload["party"]:
            found.setdefault(fact.payload["requestId"], fact)
    opened = []
    for request_id, asked in found.items():
        earlier = [fact for fact in ordered if fact.occurred_at <= asked.occurred_at]
        admitted = any(
            (holder, kind, episode.closed_by) == (asked.party, "admission", None)
            for (holder, kind, _), episode in episodes(earlier, policy).items()
        )
        hours = terms_of.limit_hours_during_admission if admitted else terms_of.limit_hours
        if (
            asked.payload["expiresAt"] is None
            or asked.payload["reason"] is None
            or len(asked.payload["justification"]) < 30
        ):
            continue
        end = min(asked.payload["expiresAt"], asked.occurred_at + hours * HOUR_MS)
        if at >= end:
            continue
        to_come.add(end)
        about = [fact for fact in ordered if fact.payload.get("requestId") == request_id]
        if any(fact.event_type == "BreakGlassEnded" for fact in about):
            continue
        role = policy.rules.roles[Party(asked.party).role]
        mask = mask_of(asked.payload["categories"]) & role.break_glass
        by_mask: dict[int, frozenset[str] | None] = {mask: None}
        if Party(asked.party).role not in terms_of.granted_at_once:
            answers = [fact for fact in about if fact.event_type in GLASS[:2] and fact.payload["party"] == asked.party]
            holders = {fact.party: fact for fact in answers}
            grants = {holder: fact for holder, fact in holders.items() if fact.event_type == GLASS[0]}
            ends = {holder: fact.payload["expiresAt"] for holder, fact in grants.items()}
            to_come |= {until for until in ends.values() if until is not None and until > at}
            by_mask = {}
            for holder in (holder for holder, until in ends.items() if until is None or at < until):
                listed = grants[holder].payload["categories"]
                of_it = mask if listed is None else mask & mask_of(listed)
                by_mask[of_it] = (by_mask.get(of_it) or frozenset()) | {holder}
        opened += [OpenGlass(request_id, asked.party, *one) for one in sorted(by_mask.items()) if one[0]]
    return sorted(opened, key=lambda glass: glass.request_id), to_come


@settings(max_examples=250, deadline=None)
@given(emergency_facts(), st.integers(0, 130), st.sampled_from(("DK", "SE")))
def test_what_is_open_is_what_the_plain_reading_opens(facts: list[Fact], hour: int, jurisdiction: str) -> None:
    policy, at = POLICIES[jurisdiction], NOON + hour * HOUR_MS
    opened, to_come = plain_open_glass(facts, at, policy)
    moment = Moment(at, policy)
    ordered = sorted((fact for fact in facts if fact.occurred_at <= at), key=lambda fact: fact.order)
    assert open_glass(ordered, (), moment) == tuple(opened)
    assert moment.turning_points == to_come


@pytest.mark.parametrize(
    ("began", "ended", "is_open"), [(None, None, False), (0, None, True), (0, 1, False), (0, 2, False), (0, 3, True)]
)
def test_a_request_lasts_longer_where_the_admission_still_runs_when_it_is_made(
    began: int | None, ended: int | None, is_open: bool
) -> None:
    asked = NOON + 2 * HOUR_MS
    facts = [
        stated(
            1, "BreakGlassRequested", "PSY", asked, requestId="r", party="PSY", categories=["MH"],
            reason="OVERDOSE", justification="x" * 40, expiresAt=asked + 60 * HOUR_MS,
        )
    ]  # fmt: skip
    for event_type, hour in (("AdmissionStarted", began), ("AdmissionEnded", ended)):
        if hour is not None:
            facts.append(stated(2, event_type, "PSY", NOON + hour * HOUR_MS, admissionId="a"))
    moment = Moment(asked + 30 * HOUR_MS, POLICIES["DK"])
    assert bool(open_glass(moment.began_by_now(facts), (), moment)) == is_open
    opened, _ = plain_open_glass(facts, moment.at, POLICIES["DK"])
    assert bool(opened) == is_open


@in_each_jurisdiction
@settings(max_examples=60, deadline=None)
@given(data=st.data(), at=moments)
def test_a_fact_is_decided_as_each_party_is_shown_it(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    standing = history.standing(at, policy)
    outlines = list(history.outlines(at))
    one_by_one, backwards = Decider(policy, standing), Decider(policy, standing)
    known_already = [backwards.decided(outline) for outline in reversed(outlines)][::-1]
    for outline, as_after_the_later_ones in zip(outlines, known_already, strict=True):
        decider = Decider(policy, standing)
        each = {party: shown for party in PARTIES if (shown := decider.shown(outline, party))}
        assert decider.decided(outline) == one_by_one.decided(outline) == as_after_the_later_ones == each
        consent_id, request_id = (outline.references.get(name) for name in ("consentId", "requestId"))
        assert standing.parties_of_consent(consent_id) == {
            party for key, party in standing.consent_parties if key == consent_id
        }
        assert standing.deciders_of_request(request_id) == {
            party for key, party in standing.glass_deciders if key == request_id
        }

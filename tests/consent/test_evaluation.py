"""Never-rule N3: an evaluator gets pseudonymous events of its cohort, never OF, RI, NW, CF, AD or free text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.categories import CATEGORY_OF_DOMAIN, Category, mask_of
from contracts.event_types import DOMAIN, EventType, Kind
from contracts.fact import Fact
from contracts.parties import Party
from hub.consent.agreements import Agreements
from hub.consent.rule_set import WithheldKind
from hub.disclosure.cutter import cut
from hub.disclosure.settlement import decisions_on, mask_of_shown, rights_in
from tests.consent.production import Stated, case_of, policy_for
from tests.safety.stories import DAY_MS, DIARY, new_id, payload_of

AT = DIARY[0]
BORN = date(1990, 5, 5)
CITED = "c0000000-0000-4000-8000-00000000000a"
NEVER = {"OF", "RI", "NW", "CF", "AD"}
PARTIES = frozenset(
    Party(party, party in ("A.ADD", "FAC"))
    for party in (
        "PRI", "KIF", "PHE", "PSY", "FAC", "MNT", "VOL", "EVA", "GOV", "OPS", "A.SOC", "A.JOB", "A.BEN", "A.CHI",
        "A.YTH", "A.HSG", "A.ADD",
    )
)  # fmt: skip
EVERYTHING = [category.value for category in Category]


def agreements(categories: list[str], parties: list[str], *, start: int = -30, end: int | None = 30) -> Agreements:
    """One agreement, from and to so many days of `AT`."""
    today = AT // DAY_MS
    values = {
        "agreementId": CITED,
        "kind": "COOPERATION",
        "parties": parties,
        "startsOn": today + start,
        "endsOn": None if end is None else today + end,
        "categories": categories,
    }
    registered = Fact("HUB/a", "AgreementRegistered", "HUB", AT - 90 * DAY_MS, AT - 90 * DAY_MS, values)
    return Agreements.of([registered], policy_for("DK", PARTIES).zone, registered.recorded_at)


def stated(event_type: EventType, party: str, seed: int, **values: Any) -> Stated:
    """A fact with every field that its contract has."""
    rng = Random(seed)
    full = [payload_of(event_type.fields, rng, AT) for _ in range(12)]
    payload = {name: next((one[name] for one in full if one[name] is not None), None) for name in full[0]}
    return Stated(new_id(rng), event_type.name, party, AT, AT, payload | values)


def treatment(**values: Any) -> Stated:
    return stated(catalogue().event_types["TreatmentStarted"], "A.ADD", 1, agreementId=CITED, **values)


def told(
    events: list[Stated], in_force: Agreements, receiver: str = "EVA", jurisdiction: str = "DK"
) -> Mapping[str, Mapping[str, Any]]:
    """What `receiver` is sent of each event, as disclosure cuts it, by the event's id."""
    policy = policy_for(jurisdiction, PARTIES)
    case = case_of(events, BORN, jurisdiction, PARTIES, AT + 1)
    decider = rights_in(case, AT + 1, policy, agreements=in_force).decider
    found = {}
    for event_id, entry in case.facts.items():
        event = next(event for event in events if event_id == f"{event.party}/{event.id}")
        mask = mask_of_shown(decisions_on(entry.outline, case.dead.get(event_id), decider).get(receiver, ()))
        contract = catalogue().event_types[event.event_type]
        payload = {"occurredAt": event.occurred_at, **event.payload}
        form = cut(contract, payload, mask, policy.withheld_fields(contract.name, receiver)) if mask else None
        if form is not None:
            found[event.id] = form
    return found


def about_citizens() -> Iterator[tuple[EventType, str]]:
    """Every event type that may be disclosed, with each of its publishers."""
    for each in catalogue().event_types.values():
        if not each.control and not each.without_subject:
            for party in sorted(PARTIES):
                if each.may_state(party.role) and party.id not in ("EVA", "GOV", "OPS"):
                    yield each, party.id


def categories_of_fields(contract: EventType, form: Mapping[str, Any]) -> set[str]:
    found = set()
    for name, value in form.items():
        field = contract.field[name]
        if field.category != DOMAIN:
            found.add(str(field.category))
        elif field.repeated:
            found |= {_of_domain(item["domain"] if isinstance(item, dict) else item) for item in value}
        else:
            found.add(_of_domain(form.get("domain", "OTHER")))
    return found


def _of_domain(domain: str) -> str:
    return str(CATEGORY_OF_DOMAIN.get(domain, "unknown"))


def texts_in(contract: EventType, form: Mapping[str, Any]) -> set[str]:
    records = catalogue().records
    found = {name for name in form if contract.field[name].kind is Kind.STRING}
    for name, value in form.items():
        field = contract.field[name]
        if field.kind is Kind.RECORD:
            texts = {part.name for part in records[field.type_name].fields if part.kind is Kind.STRING}
            found |= {f"{name}.{part}" for item in value for part in texts if item.get(part) is not None}
    return found


@pytest.mark.parametrize("jurisdiction", ["DK", "SE"])
def test_no_field_of_n3_and_no_free_text_of_any_event_type_reaches_an_evaluator(jurisdiction: str) -> None:
    widest, seen = agreements(EVERYTHING, ["EVA", "A.ADD", "PRI"]), 0
    for seed, (contract, party) in enumerate(about_citizens()):
        event = stated(contract, party, seed)
        form = told([treatment(), event], widest, jurisdiction=jurisdiction).get(event.id)
        if form is not None:
            seen += 1
            assert categories_of_fields(contract, form) & NEVER == set(), contract.name
            assert texts_in(contract, form) == set(), contract.name
            assert contract.anchor not in (*NEVER, "CO"), contract.name
    assert seen > 100, "the cohort's events are followed, or this shows nothing"


@settings(max_examples=60, deadline=None)
@given(
    categories=st.sets(st.sampled_from(EVERYTHING)).map(sorted),
    place=st.integers(0, len(list(about_citizens())) - 1),
    seed=st.integers(0, 2**20),
    named=st.booleans(),
)
def test_an_evaluator_sees_at_most_what_an_agreement_that_names_it_covers(
    categories: list[str], place: int, seed: int, *, named: bool
) -> None:
    contract, party = list(about_citizens())[place]
    event = stated(contract, party, seed)
    in_force = agreements(categories, ["EVA", "PRI"] if named else ["PRI"])
    for event_id, form in told([treatment(), event], in_force).items():
        assert named
        of_event = contract if event_id == event.id else catalogue().event_types["TreatmentStarted"]
        assert categories_of_fields(of_event, form) <= set(categories) - NEVER
        assert texts_in(of_event, form) == set()


@pytest.mark.parametrize(
    "in_force",
    [
        Agreements(),
        agreements(EVERYTHING, ["A.ADD", "PRI"]),
        agreements(EVERYTHING, ["EVA"], start=1),
        agreements(EVERYTHING, ["EVA"], end=0),
        agreements(["SU"], []),
        agreements(["CU"], ["EVA"]),
    ],
    ids=["none", "of others", "to come", "over", "of nobody", "about something else"],
)
def test_without_an_agreement_in_force_that_names_it_an_evaluator_sees_nothing(in_force: Agreements) -> None:
    assert told([treatment()], in_force) == {}


def test_only_cases_that_cite_the_agreement_are_of_the_cohort() -> None:
    widest = agreements(EVERYTHING, ["EVA"])
    assert told([treatment()], widest)
    another = stated(catalogue().event_types["TreatmentStarted"], "A.ADD", 2, agreementId=new_id(Random(3)))
    assert told([another], widest) == {}
    taken_back = Stated(
        new_id(Random(4)),
        "EventRetracted",
        "A.ADD",
        AT,
        AT + 1,
        {"targetEventId": treatment().id, "at": AT, "reason": "NOT_OCCURRED"},
    )
    assert told([treatment(), taken_back], widest) == {}


def test_facts_from_before_and_after_the_agreements_period_stay_closed() -> None:
    contract = catalogue().event_types["TreatmentStarted"]
    widest = agreements(EVERYTHING, ["EVA"], start=-2)
    start = widest.in_force(AT)[0].start
    moments = {start - 1: False, start: True, AT: True}
    for number, (occurred_at, is_shown) in enumerate(moments.items()):
        event = replace(stated(contract, "A.ADD", 10 + number), occurred_at=occurred_at)
        assert (event.id in told([treatment(), event], widest)) is is_shown


@pytest.mark.parametrize(("before_its_end", "is_shown"), [(1, True), (0, False)])
def test_a_fact_of_the_instant_at_which_the_agreement_ends_stays_closed(before_its_end: int, is_shown: bool) -> None:
    bounded = agreements(EVERYTHING, ["EVA"], end=1)
    (agreement,) = bounded.in_force(AT)
    assert agreement.end is not None
    contract = catalogue().event_types["TreatmentStarted"]
    event = replace(stated(contract, "A.ADD", 10), occurred_at=agreement.end - before_its_end)
    assert (event.id in told([treatment(), event], bounded)) is is_shown


def test_no_consent_opens_anything_to_an_evaluator_steering_group_or_operator() -> None:
    given_to = ["EVA", "GOV", "OPS"]
    consent = stated(
        catalogue().event_types["ConsentGiven"],
        "A.SOC",
        5,
        categories=EVERYTHING,
        sources=[party.id for party in PARTIES],
        recipients=given_to,
        purposes=catalogue().code_lists["Purpose"].symbols,
        form="WRITTEN",
        givenBy="SUBJECT",
        validFrom=AT - DAY_MS,
        validUntil=None,
        dataFrom=AT // DAY_MS - 100,
    )
    for receiver in given_to:
        assert told([consent, treatment()], Agreements(), receiver) == {}
        assert told([consent, treatment()], agreements(EVERYTHING, given_to), receiver).keys() == (
            {treatment().id} if receiver == "EVA" else set()
        )


def test_named_in_a_fact_an_evaluator_still_gets_nothing_of_it() -> None:
    """Rules go to whom a fact names, whatever the role: the evaluator's one rule stands before them."""
    types = catalogue().event_types
    for name, party, field in (
        ("DischargeAgreementMade", "PSY", "parties"),
        ("ChildConcernNotified", "A.SOC", "to"),
        ("JointPlanAgreed", "A.SOC", "participants"),
    ):
        event = stated(types[name], party, 6)
        named = ["EVA", "GOV"] if field != "to" else "EVA"
        event = replace(event, payload={**event.payload, field: named})
        assert told([event], agreements(EVERYTHING, ["EVA", "GOV"])) == {}


def test_every_type_that_cites_an_agreement_is_read_for_the_cohort() -> None:
    citing = {
        each.name
        for each in catalogue().event_types.values()
        if "agreementId" in each.field and not each.without_subject
    }
    assert citing
    for jurisdiction in ("DK", "SE"):
        assert citing <= policy_for(jurisdiction, PARTIES).gate_types
        kinds = policy_for(jurisdiction, PARTIES).rules.withheld_kinds
        assert kinds == (WithheldKind("N3", "string", frozenset({"EVA"})),)
        assert policy_for(jurisdiction, PARTIES).rules.roles["EVA"].never == mask_of(NEVER)

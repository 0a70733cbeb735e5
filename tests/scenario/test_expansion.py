"""A scenario becomes complete statements and a registry, checked against the contracts before anything is played."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime

import pytest

from contracts.failures import BadScenario
from deploy.scenario.expansion import SYMBOL_NAMESPACE, Statement, expand, symbol_id
from deploy.scenario.grammar import parse_scenarios, read_scenarios
from tests.scenario.vignettes import CONSENT, CUSTODY, all_files, good_release, vignette


def one(line: str, *others: str) -> Statement:
    return expand(vignette(f"E {line}", *others)).statements[0]


def refused(line: str) -> str:
    with pytest.raises(BadScenario) as refusal:
        expand(vignette(f"E {line}"))
    return str(refusal.value)


def test_mandatory_fields_not_shown_are_filled_and_optional_ones_stay_absent() -> None:
    values = one(CUSTODY).values
    assert values["startedAt"] == datetime(2025, 2, 3, 8, 0, tzinfo=UTC)
    assert values["institution"] == "PRI"
    assert "earliestParole" not in values
    assert "occurredAt" not in values


def test_date_not_shown_is_the_local_day() -> None:
    values = one("e1 2025-02-03T23:30 PHE MedicationHandedOver(to=PSY substitution=false)").values
    assert values["validUntil"] == date(2025, 2, 3)
    assert values["atcGroup"] == "x"


def test_plain_date_in_a_field_that_holds_a_time_is_its_midnight() -> None:
    line = "k1 2025-02-03T09:00 A.ADD ConsentGiven(cat=[SU] src=[A.ADD] to=[FAC] for=[TREATMENT] validUntil=2025-06-01)"
    (statement,) = expand(vignette(f"E {line}")).statements
    assert statement.values["validUntil"].isoformat() == "2025-05-31T22:00:00+00:00"


def test_code_not_shown_is_the_first_of_its_list_and_a_free_code_is_text() -> None:
    values = one("e1 2025-02-03T09:00 PRI ProgrammeStarted(domain=EMPLOYMENT)").values
    assert values["programme"] == "x"
    assert one("e1 2025-02-03T09:00 A.JOB BenefitGranted()").values["kind"] == "CASH_ASSISTANCE"
    assert one("e1 2025-02-03T09:00 PRI AbsconditionRecorded()").values["kind"] == "ESCAPE"


def test_uuid_not_shown_depends_on_scenario_event_and_field() -> None:
    values = one("e1 2025-02-03T09:00 A.SOC MunicipalContactHeld()").values
    assert values["contactId"] == uuid.uuid5(SYMBOL_NAMESPACE, "V1/e1/contactId")


def test_symbol_is_one_id_in_a_scenario_and_printed_back() -> None:
    playbook = expand(
        vignette(f"E {CUSTODY} ;; e2 2025-02-05T09:00 A.SOC CaseKeptOpen(custodyId=c1 keepOpenUntil=2025-05-01)")
    )
    first, second = playbook.statements
    assert first.values["custodyId"] == second.values["custodyId"] == symbol_id("V1", "c1")
    assert playbook.symbols[str(symbol_id("V1", "c1"))] == "c1"
    assert symbol_id("V1", "c1") != symbol_id("V2", "c1")


def test_consent_short_names_and_its_own_id() -> None:
    playbook = expand(vignette(f"E {CONSENT} ;; k1w 2025-03-01T10:00 A.ADD ConsentWithdrawn(id=k1)"))
    given, withdrawn = playbook.statements
    assert given.values["consentId"] == withdrawn.values["consentId"] == symbol_id("V1", "k1")
    assert given.values["givenBy"] == withdrawn.values["by"] == "SUBJECT"
    assert (given.values["categories"], given.values["recipients"]) == (["SU"], ["FAC"])
    assert given.values["withdrawalExplained"] is given.values["capacityConfirmed"] is True
    assert playbook.basis_as_written(f"C:{symbol_id('V1', 'k1')}") == "C:k1"
    assert playbook.basis_as_written("S2") == "S2"


def test_short_name_stands_only_where_the_event_has_no_field_of_that_name() -> None:
    assert one("e1 2025-02-03T09:00 A.ADD TreatmentReferred(to=FAC)").values["to"] == "FAC"


def test_items_list_domains_and_fill_their_own_fields() -> None:
    statement = one("e1 2025-02-03T09:00 PRI SentencePlanAgreed(planId=p1 items=[HOUSING,SUBSTANCE])")
    first, second = statement.values["items"]
    assert (first["domain"], second["domain"]) == ("HOUSING", "SUBSTANCE")
    assert first["itemId"] != second["itemId"]
    assert first["responsible"] == "PRI"


def test_list_not_shown_opens_no_category_by_a_domain() -> None:
    values = one("e1 2025-02-03T09:00 A.SOC JointPlanAgreed(consentId=k1)").values
    assert values["items"] == []
    assert values["participants"] == ["A.SOC"]


def test_break_glass_request_gets_a_valid_justification_unless_one_is_shown() -> None:
    shown = "e1 2025-02-03T09:00 PSY BreakGlassRequested(categories=[MH] reason=OTHER expiresAt=2025-02-03T20:00"
    assert len(one(f"{shown})").values["justification"]) >= 30
    assert one(f"{shown} justification=short)").values["justification"] == "short"


def test_correction_is_the_next_revision_of_the_same_source_reference() -> None:
    line = (
        "h1 2025-02-03T09:00 A.SOC CaseOpened() ;; h2 2025-02-03T09:00 A.SOC CaseOpened() rec=2025-02-04T09:00 "
        "corrects=h1 ;; h3 2025-02-03T09:00 A.SOC CaseOpened() rec=2025-02-05T09:00 corrects=h2"
    )
    statements = expand(vignette(f"E {line}")).statements
    assert [(each.source_ref, each.revision) for each in statements] == [("V1/h1", 0), ("V1/h1", 1), ("V1/h1", 2)]


def test_a_second_correction_of_one_event_corrects_the_first_correction() -> None:
    line = (
        "h1 2025-02-03T09:00 A.SOC CaseOpened() ;; h3 2025-02-03T09:00 A.SOC CaseOpened() rec=2025-02-05T09:00 "
        "corrects=h1 ;; h2 2025-02-03T09:00 A.SOC CaseOpened() rec=2025-02-04T09:00 corrects=h1"
    )
    statements = expand(vignette(f"E {line}")).statements
    assert [(each.event.id, each.source_ref, each.revision) for each in statements] == [
        ("h1", "V1/h1", 0),
        ("h2", "V1/h1", 1),
        ("h3", "V1/h1", 2),
    ]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("cat=[] src=[A.ADD] to=[FAC] for=[TREATMENT]", "`categories`"),
        ("cat=[SU] src=[] to=[FAC] for=[TREATMENT]", "`sources`"),
        ("cat=[SU] src=[A.ADD] to=[] for=[TREATMENT]", "`recipients`"),
        ("cat=[SU] src=[A.ADD] to=[FAC] for=[]", "`purposes`"),
        ("cat=[ALL] src=[A.ADD] to=[FAC] for=[TREATMENT]", "`categories"),
        ("cat=[SU] src=[*] to=[FAC] for=[TREATMENT]", "`sources`"),
        ("cat=[SU] src=[A.ADD] to=[FAC] for=[TREATMENT] withdrawalExplained=false", "`withdrawalExplained`"),
        ("cat=[SU] src=[A.ADD] to=[FAC] for=[TREATMENT] capacityConfirmed=false", "`capacityConfirmed`"),
    ],
)
def test_a_consent_that_the_rules_reject_is_kept_as_refused(fields: str, why: str) -> None:
    (statement,) = expand(vignette(f"E k1 2025-02-03T09:00 A.ADD ConsentGiven({fields})")).statements
    assert why in statement.refused
    assert statement.refused.startswith("line 2: event `k1`")


def test_corrections_in_a_circle_are_refused() -> None:
    line = "a 2025-02-03T09:00 A.SOC CaseOpened() corrects=b ;; b 2025-02-03T09:00 A.SOC CaseOpened() corrects=a"
    assert "in a circle" in refused(line)


def test_retraction_names_its_target_by_event() -> None:
    statements = expand(
        vignette(f"E {CUSTODY} ;; x1 2025-02-04T09:00 PRI EventRetracted(targetEventId=e1 reason=DUPLICATE)")
    ).statements
    assert statements[1].targets == {"targetEventId": "e1"}
    assert "targetEventId" not in statements[1].values


def test_statements_come_in_order_of_recorded_time() -> None:
    line = "e1 2025-02-03T09:00 A.SOC CaseOpened() rec=2025-02-09T09:00 ;; e2 2025-02-04T09:00 A.SOC CaseClosed()"
    assert [each.event.id for each in expand(vignette(f"E {line}")).statements] == ["e2", "e1"]


def test_registry_holds_every_party_named_anywhere_but_not_the_hub() -> None:
    playbook = expand(
        vignette(
            "E e1 2025-02-03T09:00 PSY DischargeAgreementMade(parties=[B.SOC,KIF] endsOn=2025-03-01)",
            f"E {CONSENT}",
            "E r1 2025-02-05T09:00 HUB BreakGlassReviewed(party=PRI outcome=JUSTIFIED)",
            "X 2025-02-06 | C.BEN: nothing",
        )
    )
    assert set(playbook.registry.parties) == {"PSY", "B.SOC", "KIF", "A.ADD", "FAC", "PRI", "C.BEN"}


def test_health_parties_are_psychiatry_prison_health_and_those_listed() -> None:
    (scenario,) = parse_scenarios(
        "S V1 SE born=1990-05-05 health=[ADD] | t\n"
        "X 2025-02-06 | PSY: nothing || ADD: nothing || B.ADD: nothing || PHE: nothing || PRI: nothing"
    )
    registry = expand(scenario).registry
    assert {party.id for party in registry if party.healthcare_provider} == {"PSY", "PHE", "ADD"}


def test_every_scenario_of_the_project_keeps_the_contracts() -> None:
    playbooks = [expand(scenario) for path in all_files() for scenario in read_scenarios(path)]
    assert sum(len(playbook.statements) for playbook in playbooks) == 183


def test_good_release_names_six_parties() -> None:
    assert set(expand(good_release()).registry.parties) == {"PRI", "KIF", "A.SOC", "A.JOB", "A.BEN", "A.ADD"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("e1 2025-02-03T09:00 PRI NoSuchEvent()", "`hub contracts list`"),
        ("e1 2025-02-03T09:00 HUB ShardTicked()", "`hub contracts list`"),
        ("e1 2025-02-03T09:00 A.SOC ImprisonmentStarted()", "expected a party in a role of: PRI"),
        ("e1 2025-02-03T09:00 A.SOC CaseOpened(colour=red)", "has no field `colour`"),
        ("e1 2025-02-03T09:00 A.SOC CaseOpened(occurredAt=2025-02-03T09:00)", "has no field `occurredAt`"),
        ("e1 2025-02-03T09:00 A.SOC CaseOpened(at=2025-02-30)", "expected local time"),
        ("e1 2025-02-03T09:00 A.SOC CaseOpened(reason=[CUSTODY])", "expected one word"),
        ("e1 2025-02-03T09:00 A.SOC CaseOpened(reason=BORED)", "field `reason`"),
        ("e1 2025-02-03T09:00 PRI ReleaseDateSet(releaseDate=2025-02-03T09:00)", "expected a date"),
        ("e1 2025-02-03T09:00 PRI ReleaseDateSet(releaseDate=2025-02-31)", "expected a date"),
        ("e1 2025-02-03T09:00 PRI ReleaseDateSet(custodyId=9)", "expected a symbol"),
        ("e1 2025-02-03T09:00 A.SOC CoordinatorAssigned(caseload=many)", "expected a whole number"),
        ("e1 2025-02-03T09:00 A.SOC CoordinatorAssigned(caseload=-1)", "field `caseload`"),
        ("e1 2025-02-03T09:00 A.SOC CoordinatorAssigned(party=A..SOC)", "expected a party id"),
        ("e1 2025-02-03T09:00 A.JOB BenefitGranted(monthlyAmount=NaN)", "expected a number"),
        ("e1 2025-02-03T09:00 PRI ReleaseMeetingHeld(housingReady=yes)", "expected `true` or `false`"),
        ("e1 2025-02-03T09:00 PRI ReleaseMeetingHeld(participants=PRI)", "expected a list"),
        ("e1 2025-02-03T09:00 PRI SentencePlanAgreed(items=[GARDENING])", "domain `GARDENING`"),
        ("k1 2025-02-03T09:00 PRI ConsentGiven(cats=[CU])", "has no field `cats`"),
        ("k1 2025-02-03T09:00 PRI ConsentGiven(cat=[CU] categories=[CU])", "stands twice"),
        ("x1 2025-02-03T09:00 PRI EventRetracted(targetEventId=e9)", "expected the id of another event"),
        ("x1 2025-02-03T09:00 PRI EventRetracted(targetEventId=x1)", "expected the id of another event"),
    ],
)
def test_what_a_contract_refuses_is_refused_with_line_and_event(line: str, expected: str) -> None:
    message = refused(line)
    assert expected in message
    assert message.startswith("line 2: event `")

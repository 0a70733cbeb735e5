"""Requirements of the seeds that are about what must not be there, or about records that no scenario plays."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from contracts.catalogue import catalogue
from contracts.categories import BIT, Category
from contracts.civil_time import day_number
from contracts.event_types import Kind
from contracts.parties import Party, PartyRegistry
from deploy.scenario.grammar import parse_scenarios, read_scenarios
from deploy.scenario.scenario import Scenario
from tests.consent.production import Stated, answers
from tests.consent.scenario_cases import PlayedCase, all_scenarios
from tests.consent.test_oracle_views import readable
from tests.scenario.vignettes import all_files
from tests.traceability.test_vignettes import VIGNETTES

OUTSIDERS = ("GOV", "OPS", "EVA", "AUD", "CITIZEN", "POLICE")
"""Roles that are shown no event, and police, which are no party at all."""

BORN = date(1990, 5, 5)
DAY = day_number(date(2025, 2, 3))
AT = DAY * 86_400_000
READINGS = Path(__file__).parents[1] / "consent" / "readings.md"
DANISH_RULES = {"S1", "S2", "S3", "S10", "S11"}


@lru_cache(maxsize=1)
def every_scenario() -> tuple[Scenario, ...]:
    return (*all_scenarios(), *read_scenarios(READINGS), *VIGNETTES)


def with_parties(scenario: Scenario, *joining: str) -> PlayedCase:
    """The scenario's case in a hub where the parties `joining` take part too."""
    playbook = PlayedCase.of(scenario).playbook
    parties = {party.id: party for party in (*playbook.registry, *map(Party, joining))}
    return PlayedCase(replace(playbook, registry=PartyRegistry.of(parties.values())))


def stated(event_type: str, by: str, /, **payload: Any) -> Stated:
    return Stated("00000000-0000-8000-8000-000000000002", event_type, by, AT, AT, {"at": AT} | payload)


def receivers(event: Stated, *parties: str) -> dict[str, frozenset[str]]:
    """Who of `parties` is shown what of `event`, the only one of its case."""
    registry = frozenset(Party(party) for party in parties)
    found = answers([event], BORN, "DK", registry, AT + 1)
    return {receiver: frozenset(chain(*shown.values())) for (_, receiver), shown in found.items()}


@pytest.mark.parametrize("scenario", every_scenario(), ids=lambda scenario: scenario.id)
def test_steering_group_operator_and_police_are_shown_no_event(scenario: Scenario) -> None:
    case = with_parties(scenario, *OUTSIDERS)
    assert scenario.expectations
    for expectation in scenario.expectations:
        standing = case.standing(expectation.at)
        for outsider in OUTSIDERS:
            assert case.view(expectation.at, outsider, standing) == {}, f"line {expectation.line}, {outsider}"


@pytest.mark.parametrize("scenario", every_scenario(), ids=lambda scenario: scenario.id)
def test_without_a_consent_to_it_no_volunteer_sees_anything_in_any_scenario(scenario: Scenario) -> None:
    case = with_parties(scenario, "VOL", "MNT")
    for expectation in scenario.expectations:
        live = [fact for fact in case.live(expectation.at) if fact.event_type in ("ConsentGiven", "ConsentAmended")]
        for party in ("VOL", "MNT"):
            allowed = 0
            for consent in live:
                if party in consent.payload["recipients"]:
                    for category in consent.payload["categories"]:
                        allowed |= BIT[Category(category)]
            for shown in case.view(expectation.at, party).values():
                for basis, mask in shown.items():
                    # The header of a plan comes with the consent to it (S4), whatever else the consent lists.
                    header = BIT[Category.PL] | BIT[Category.CA] if basis == "S4" else 0
                    assert allowed
                    assert mask & ~(allowed | header) == 0
            without = case.standing(
                expectation.at, lambda facts: [fact for fact in facts if fact.event_type != "ConsentGiven"]
            )
            assert case.view(expectation.at, party, without) == {}


def test_a_volunteer_is_shown_something_in_some_scenario() -> None:
    # Else the test above would show nothing.
    seen = [expectation.views.get("VOL") for scenario in VIGNETTES for expectation in scenario.expectations]
    assert any(seen)


@pytest.mark.parametrize("scenario", all_scenarios(), ids=lambda scenario: scenario.id)
def test_the_same_case_under_swedish_law_opens_nothing_by_a_danish_rule(scenario: Scenario) -> None:
    case = PlayedCase.of(replace(scenario, jurisdiction="SE"))
    for expectation in scenario.expectations:
        standing = case.standing(expectation.at)
        for party in case.playbook.registry:
            bases = set(chain(*(shown for shown in case.view(expectation.at, party.id, standing).values())))
            assert bases & DANISH_RULES == set()


def renamed(text: str) -> str:
    """The scenarios of `text` in other municipalities: A is Q7 and B is R12."""
    for old, new in (("A", "Q7"), ("B", "R12")):
        text = re.sub(rf"\b{old}\.(?=[A-Z]{{3}}\b)", f"{new}.", text)
        text = re.sub(rf"Municipality={old}\b", f"Municipality={new}", text)
    return text


@pytest.mark.parametrize("path", all_files(), ids=lambda path: path.stem)
def test_any_other_municipality_gets_the_very_same_views(path: Path) -> None:
    elsewhere = parse_scenarios(renamed(path.read_text(encoding="utf-8")))
    for scenario in elsewhere:
        case = PlayedCase.of(scenario)
        assert not any(party.municipality in ("A", "B") for party in case.playbook.registry)
        for expectation in scenario.expectations:
            standing = case.standing(expectation.at)
            for party, expected in expectation.views.items():
                assert readable(case.view(expectation.at, party, standing)) == readable(expected)


def test_an_agreement_reaches_its_parties_and_nobody_else() -> None:
    agreement = {
        "agreementId": "00000000-0000-8000-8000-000000000003",
        "kind": "PARTNERSHIP",
        "parties": ["PRI", "K.ADD"],
        "startsOn": DAY,
        "categories": ["SU"],
        "costRule": "x",
        "steeringGroup": ["s1", "s2"],
    }
    for event_type in ("AgreementRegistered", "AgreementEnded"):
        registered = Stated("00000000-0000-8000-8000-000000000002", event_type, "HUB", AT, AT, agreement)
        shown = receivers(registered, "PRI", "K.ADD", "K.SOC", "A.SOC", "GOV")
        told = {party: categories for party, categories in shown.items() if party != "HUB"}
        assert told == {"PRI": frozenset({"CO"}), "K.ADD": frozenset({"CO"})}


@pytest.mark.parametrize(
    "event_type", ["StaffRoleChanged", "AgencyJoined", "AgencyLeft", "PolicyActivated", "EvaluationSnapshotTaken"]
)
def test_the_hubs_own_governance_records_are_told_to_nobody(event_type: str) -> None:
    record = stated(event_type, "HUB", party="A.SOC", role="x", staff="s1", policyVersion="DK-1", cohort="x")
    assert set(receivers(record, "PRI", "A.SOC", "EVA", "GOV")) <= {"HUB"}
    assert catalogue().event_types[event_type].stated_by == ("HUB",)


def test_an_anonymous_count_names_nobody_and_is_in_no_view() -> None:
    counted = catalogue().event_types["AnonymousOutreachCounted"]
    naming = {Kind.UUID, Kind.PERSON, Kind.STAFF, Kind.PARTY, Kind.STRING, Kind.RECORD}
    own = [field for field in counted.fields if field.name not in ("lateReason", "legalBasisCode")]
    assert {field.name for field in own} == {"occurredAt", "date", "setting", "contacts"}
    assert not any(field.kind in naming for field in own)
    count = Stated(
        "00000000-0000-8000-8000-000000000002",
        "AnonymousOutreachCounted",
        "A.ADD",
        AT,
        AT,
        {"date": DAY, "setting": "CONSUMPTION_ROOM", "contacts": 14},
    )
    consent = Stated(
        "00000000-0000-8000-8000-000000000004", "ConsentGiven", "A.ADD", AT, AT, _consent_to_everything("A.SOC", "FAC")
    )
    found = answers([count, consent], BORN, "DK", frozenset(map(Party, ("A.ADD", "A.SOC", "FAC"))), AT + 1)
    of_count = {receiver: shown for (event, receiver), shown in found.items() if event.endswith("2")}
    assert [receiver for receiver, shown in of_count.items() if any(shown.values())] == []
    assert "A.SOC" not in of_count and "FAC" not in of_count


def _consent_to_everything(*recipients: str) -> dict[str, Any]:
    return {
        "consentId": "00000000-0000-8000-8000-000000000005",
        "version": 1,
        "at": AT,
        "collectedBy": "A.ADD",
        "collector": "s1",
        "givenBy": "SUBJECT",
        "form": "WRITTEN",
        "evidenceRef": "x",
        "noticeVersion": "x",
        "language": "da",
        "withdrawalExplained": True,
        "capacityConfirmed": True,
        "categories": [category.value for category in Category],
        "sources": ["A.ADD"],
        "recipients": list(recipients),
        "purposes": ["SOCIAL_SUPPORT", "TREATMENT"],
        "dataFrom": DAY - 1,
        "validFrom": AT,
    }


def test_every_treatment_states_one_target_group() -> None:
    stating = [
        (event_type.name, event_type.field["targetGroup"])
        for event_type in catalogue().event_types.values()
        if "targetGroup" in event_type.field
    ]
    assert {name for name, _ in stating} >= {"TreatmentStarted", "TreatmentCompleted", "TreatmentTransferred"}
    for name, field in stating:
        assert field.mandatory and not field.repeated, name
        assert field.kind is Kind.ENUM and field.category == "SU", name
    assert catalogue().code_lists["TargetGroup"].symbols == ("CANNABIS_MIXED", "SUBSTITUTION", "ALCOHOL", "OTHER")


ETHNIC = re.compile(
    r"ethnic|minorit|religio|faith|church|mosque|immigra|foreign|national(ity)?$|countryof|birthcountry|mothertongue"
    r"|^race$|^racial|^belief|^origin|^skin",
    re.IGNORECASE,
)
CLINICAL = re.compile(r"diagnos|^icd|urine", re.IGNORECASE)


def _names() -> Iterator[tuple[str, bool]]:
    """Every name and code of the contracts; whether it names a field."""
    contracts = catalogue()
    for event_type in contracts.event_types.values():
        yield event_type.name, False
    fields_of = [event_type.fields for event_type in contracts.event_types.values()]
    for field in chain(*fields_of, *(record.fields for record in contracts.records.values())):
        yield field.name, True
    for code_list in contracts.code_lists.values():
        yield from ((symbol, False) for symbol in (code_list.name, *code_list.symbols))


def test_nothing_in_the_contracts_is_about_ethnicity_or_religion() -> None:
    names = list(_names())
    assert len(names) > 500
    assert [name for name, _ in names if ETHNIC.search(name.replace("_", ""))] == []
    # A kind of treatment may be called after a double diagnosis; a field may not carry one.
    assert [name for name, is_field in names if is_field and CLINICAL.search(name)] == []
    assert ETHNIC.search("ethnicBackground") and ETHNIC.search("NATIONALITY") and CLINICAL.search("diagnosisText")


def test_why_a_case_was_closed_tells_nobody_of_custody() -> None:
    opened = Stated(
        "00000000-0000-8000-8000-000000000006", "CaseOpened", "A.JOB", AT - 2, AT - 2, {"caseNo": "x", "at": AT - 2}
    )
    closed = stated("CaseClosed", "A.SOC", caseNo="x", reason="CUSTODY")
    found = answers([opened, closed], BORN, "DK", frozenset(map(Party, ("A.SOC", "A.JOB", "A.BEN"))), AT + 1)
    of_closed = {receiver: shown for (event, receiver), shown in found.items() if event.startswith("A.SOC/")}
    assert of_closed == {"A.SOC": {"OWN": frozenset({"CA", "CU"})}, "A.JOB": {"S11": frozenset({"CA"})}}

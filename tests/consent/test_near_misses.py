"""Facts that nearly fit a rule: of another placement, admission, municipality or time, or without what it asks for."""

from __future__ import annotations

from datetime import date

import pytest

from contracts.catalogue import catalogue
from contracts.categories import mask_of
from contracts.civil_time import day_number
from contracts.fact import outline_of
from contracts.parties import Party, PartyRegistry
from hub.consent.decision import Decider
from hub.consent.policy import load_policy
from hub.consent.standing import derive
from tests.consent.histories import PARTIES, held_by
from tests.consent.test_borrowed_ids import TALK, asked, retraction, shown
from tests.consent.test_hostile_facts import ADULT, at, consent, fact

LATER = "2025-06-01T10:00"
PRISON = fact("i", "ImprisonmentStarted", "PRI", "2025-01-10T10:00", custodyId="c", legalStatus="CONVICTED",
              planDuty=True, homeMunicipality="A", offenceGroup="OTHER")  # fmt: skip


def test_the_end_of_one_placement_ends_no_other() -> None:
    one, other = (
        fact(name, "CarePlacementStarted", "A.SOC", "2025-02-01T10:00", placementId=name) for name in ("v1", "v2")
    )
    ended = fact("z", "CarePlacementEnded", "A.SOC", "2025-02-10T10:00", placementId="v2")
    active = fact("k", "PlanOfficerAssigned", "KIF", "2025-01-20T10:00", staff="s")
    facts = [one, other, ended, active]
    for placement_id, is_shown in (("v1", True), ("v2", False), ("v3", False)):
        breach = fact("b", "CarePlacementBreached", "FAC", "2025-03-01T10:00", placementId=placement_id, breach="OTHER")
        for party in ("A.SOC", "KIF"):
            assert bool(shown(facts, breach, party)) is is_shown, f"{placement_id} to {party}"


def test_a_discharge_agreement_opens_the_end_of_an_admission_with_the_party_that_made_it_only() -> None:
    made = fact("d", "DischargeAgreementMade", "PSY", "2025-02-01T10:00", admissionId="a1", parties=["A.SOC"])
    end = fact("e", "AdmissionEnded", "PSY", "2025-02-03T10:00", admissionId="a1")
    assert shown([made], end, "A.SOC") == (("S5", mask_of(["MH"])),)
    assert shown([made], end._replace(event_id="PHE/e", party="PHE"), "A.SOC") == ()


def test_a_cooperation_on_persons_at_risk_needs_its_necessity_in_writing() -> None:
    for necessity, basis in (("x", ("S3", mask_of(["OF"]))), ("", None), (None, None)):
        activated = fact("k", "KspActivated", "PRI", "2025-02-01T10:00", necessity=necessity, radicalisation=False,
                         endsOn=day_number(date(2025, 9, 1)))  # fmt: skip
        assert (dict(shown([activated], PRISON, "A.SOC")).get("S3") == mask_of(["OF"])) is (basis is not None)


def test_a_coordinator_of_another_municipality_or_of_no_authority_is_not_social_services() -> None:
    """Neither in what it is told nor in what the prison is told of it."""
    registry = PartyRegistry.of([*map(Party, ("PRI", "KIF", "A.SOC", "A.JOB", "A.MNT", "B.SOC"))])
    policy = load_policy("DK", registry)
    for party, acts in (("A.JOB", True), ("A.MNT", False), ("B.SOC", False)):
        assigned = fact("a", "CoordinatorAssigned", "A.SOC", "2025-02-01T10:00", party=party)
        plan = fact("p", "MunicipalPlanAgreed", party, "2025-02-02T10:00", planId="p", version=1)
        facts = [PRISON, assigned, plan]
        parties = frozenset(each.party for each in facts)
        decider = Decider(policy, derive(facts, held_by(facts), parties, ADULT, at(LATER), policy))
        types = catalogue().event_types
        to_it = decider.shown(outline_of(PRISON, types[PRISON.event_type]), party)
        of_it = decider.shown(outline_of(plan, types[plan.event_type]), "PRI")
        assert ("S2" in dict(to_it)) is acts, party
        assert ("S2" in dict(of_it)) is acts, party


def test_only_what_was_live_when_the_consent_began_says_who_was_responsible_then() -> None:
    """A's case was opened by mistake and taken back before, C's was entered and taken back after: it was B's."""
    mistaken = fact("o1", "CaseOpened", "A.SOC", "2025-01-05T10:00")
    taken_back = retraction(mistaken, "2025-01-10T10:00")
    opened = fact("o2", "CaseOpened", "B.SOC", "2025-01-06T10:00")
    moved = fact("m", "ResponsibilityTransferred", "B.SOC", "2025-03-01T10:00", fromMunicipality="B",
                 toMunicipality="C", effectiveDate=day_number(date(2025, 3, 10)))  # fmt: skip
    given = consent(recipients=["A.SOC", "B.SOC"], purposes=["SOCIAL_SUPPORT"])
    facts = [mistaken, taken_back, opened, moved, given]
    assert shown(facts, TALK, "B.SOC", "2025-03-09T23:59") != ()
    assert shown(facts, TALK, "B.SOC", "2025-03-10T00:00") == ()
    assert shown(facts, TALK, "A.SOC", "2025-03-10T00:00") == (("C:k1", mask_of(["SU"])),)
    late = fact("o0", "CaseOpened", "A.SOC", "2025-01-04T10:00")._replace(recorded_at=at("2025-02-01T10:01"))
    facts += [late, retraction(late, "2025-02-20T10:00")]
    assert shown(facts, TALK, "B.SOC", "2025-03-10T00:00") == ()
    assert shown(facts, TALK, "A.SOC", "2025-03-10T00:00") == (("C:k1", mask_of(["SU"])),)


@pytest.mark.parametrize(("categories", "holders"), [(["MH", "RI"], {"PSY"}), (["RI"], {"PSY"}), (["MH", "HO"], set())])
def test_a_request_for_emergency_access_is_told_to_parties_that_hold_what_it_may_open(
    categories: list[str], holders: set[str]
) -> None:
    request = asked("r1", "KIF", "2025-05-12T09:00", categories=categories)
    paid = fact("b", "BenefitGranted", "A.BEN", "2025-05-01T10:00", benefitId="b")
    housed = fact("h", "HousingApplied", "A.HSG", "2025-05-01T10:00", housingId="h")
    risky = fact("n", "RiskNoteRecorded", "PSY", "2025-05-01T10:00", noteId="n")
    assert {party for party in PARTIES if shown([paid, housed, risky], request, party)} == {"KIF", *holders}

"""The statutory rules S1 to S14, one function each: what may this receiver see of this fact by it (4.2).

Rules:
- A function returns the categories that the rule opens; whether the receiver may receive at all is asked elsewhere.
- Sweden has no S1, S2, S3, S10 and S11, Denmark no S7 (4.2, 4.3).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.naive import civil
from tests.naive.case import CATEGORY_OF_DOMAIN, Case, Fact, municipality, named, role
from tests.naive.consents import Consent, active, cf_closed, consent, lost_after_move
from tests.naive.standing import (
    RELEASES,
    as_soc,
    covered_by_window,
    episode,
    health_party,
    in_treatment,
    in_window,
    involuntary_admission,
    misuse_ongoing,
    of_responsible,
    participants,
    probation_active,
    responsible,
)

NOTHING: Final = frozenset[str]()
HEALTH: Final = frozenset({"SU", "MH", "PH"})
ALL: Final = frozenset({*CATEGORY_OF_DOMAIN.values(), "ID", "CU", "OF", "PL", "AD", "CA"})
CUSTODY_NOTICES: Final = (
    "ImprisonmentStarted",
    "RemandStarted",
    "RemandExtended",
    "TransferredBetweenPrisons",
    "HomeDetentionStarted",
    "HomeDetentionEnded",
    "CarePlacementStarted",
    "CarePlacementEnded",
    *RELEASES,
)
JOINT_PLANS: Final = ("JointPlanProposed", "JointPlanAgreed", "JointPlanAmended", "JointPlanEnded")
ONE_MUNICIPALITY: Final = {
    "SOC": {"HO", "AD", "FI", "EM", "ED"},
    "JOB": {"FI", "EM", "ED"},
    "BEN": {"FI", "EM", "HO", "AD"},
    "YTH": {"ED", "EM"},
    "HSG": {"HO", "AD"},
    "ADD": {"HO"},
    "CHI": {"HO", "AD"},
}
BY_NAME: Final = ("S4", "S5", "S8", "S14")
"""What a fact goes by to whom it names, whoever states it: nothing else does that a party of another country states."""
ADDRESSING: Final = (
    "MedicationHandedOver",
    "TreatmentRequested",
    "TreatmentAssessed",
    "TreatmentReferred",
    "TreatmentStarted",
    "TreatmentInterrupted",
    "TreatmentResumed",
    "TreatmentCompleted",
    "TreatmentTransferred",
)


def s1(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """CU of the start/... event types -> asSOC, JOB, BEN (age < 18: asSOC only); CaseKeptOpen (CU, CA)."""
    if not covered_by_window(case, fact):
        return NOTHING
    if fact.kind in CUSTODY_NOTICES and fact.role in ("PRI", "KIF"):
        adult_office = role(receiver) in ("JOB", "BEN") and of_responsible(case, receiver) and not case.minor
        if as_soc(case, receiver) or adult_office:
            return frozenset({"CU"})
    if fact.kind == "CaseKeptOpen" and of_responsible(case, fact.party):
        # 4.9.18: CaseKeptOpen has no age condition.
        office = role(receiver) in ("SOC", "JOB", "BEN", "CHI") and of_responsible(case, receiver)
        if office or role(receiver) in ("PRI", "KIF"):
            return frozenset({"CU", "CA"})
    return NOTHING


def s2(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """PRI/KIF -> asSOC: CU, RE, PL, HO, AD, EM; asSOC -> PRI/KIF: PL, HO, AD, EM; convicted and planDuty=true."""
    current = episode(case)
    if current is None or not covered_by_window(case, fact) or not current.convicted or not current.plan_duty:
        return NOTHING
    if fact.role in ("PRI", "KIF") and as_soc(case, receiver):
        return frozenset({"CU", "RE", "PL", "HO", "AD", "EM"})
    if as_soc(case, fact.party) and role(receiver) in ("PRI", "KIF"):
        return frozenset({"PL", "HO", "AD", "EM"})
    return NOTHING


def ksp_runs(case: Case) -> bool:
    """The latest KspActivated or KspEnded decides (4.9.18): written necessity, T < endsOn; remand: radicalisation."""
    last, current = case.latest("KspActivated", "KspEnded"), episode(case)
    if last is None or last.kind == "KspEnded" or current is None:
        return False
    written = bool(str(last["necessity"]).strip())
    return written and not case.begun(last["endsOn"]) and (current.convicted or last["radicalisation"] is True)


def s3(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """OF, RI, RE, HO, PL between PRI/KIF and SOC of the responsible municipality, both ways."""
    if not covered_by_window(case, fact) or not ksp_runs(case):
        return NOTHING
    between = (fact.party, receiver), (receiver, fact.party)
    if any(
        role(one) in ("PRI", "KIF") and role(other) == "SOC" and of_responsible(case, other) for one, other in between
    ):
        return frozenset({"OF", "RI", "RE", "HO", "PL"})
    return NOTHING


def s4(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """JointPlan* to a listed participant who is a recipient of the plan's consent: PL, CA + the consented."""
    if fact.kind not in JOINT_PLANS or receiver not in fact["participants"]:
        return NOTHING
    ground: Consent | None = consent(case, fact["consentId"])
    if ground is None or receiver not in ground.recipients or not active(case, ground):
        return NOTHING
    if ground.form == "ORAL" or "JOINT_PLANNING" not in ground.purposes or lost_after_move(case, ground, receiver):
        return NOTHING
    opened = {"PL", "CA", *(category for category in ground.categories if not cf_closed(case, ground, category))}
    if role(receiver) in ("JOB", "BEN", "HSG", "YTH", "MNT", "VOL"):
        opened &= {"PL", "CA", "HO", "FI", "EM", "ED"}
    return frozenset(opened) & ALL


def s5(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """The DischargeAgreement/CoordinationPlan event and its AdmissionEnded -> parties named in it."""
    plans = [fact]
    if fact.kind == "AdmissionEnded":
        made = case.of_kind("DischargeAgreementMade", "CoordinationPlanMade")
        plans = [plan for plan in named(made, "admissionId", fact["admissionId"]) if plan.party == fact.party]
    elif fact.kind not in ("DischargeAgreementMade", "CoordinationPlanMade"):
        return NOTHING
    return ALL if any(receiver in plan["parties"] for plan in plans) else NOTHING


def _addressed(case: Case, one: str, other: str) -> bool:
    """One addressed the other (`to`) <= 90 days ago."""
    return any(
        fact.party == one and fact["to"] == other and case.at <= civil.add_days(fact.occurred, 90, case.zone)
        for fact in case.of_kind(*ADDRESSING)
    )


def s6(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """SU, MH, PH between two health parties in current treatment; stopped by HealthSharingObjected(source)."""
    source = fact.party
    if not health_party(case, source) or not health_party(case, receiver):
        return NOTHING
    objections = list(
        named(case.of_kind("HealthSharingObjected", "HealthSharingObjectionLifted"), "source", source),
    )
    if objections and objections[-1].kind == "HealthSharingObjected":
        return NOTHING
    linked = in_treatment(case, source) and in_treatment(case, receiver)
    if linked or _addressed(case, source, receiver) or _addressed(case, receiver, source):
        return HEALTH
    return NOTHING


def s7(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """SU, MH, PH between health party and SOC of responsible board (CHI if < 18), both ways (SE)."""
    vulnerable = case.minor or misuse_ongoing(case) or involuntary_admission(case)
    if responsible(case) is None or not vulnerable:
        return NOTHING
    board = "CHI" if case.minor else "SOC"
    for one, other in (fact.party, receiver), (receiver, fact.party):
        if health_party(case, one) and role(other) == board and of_responsible(case, other):
            return HEALTH
    return NOTHING


def s8(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """The ChildConcernNotified event, all its categories -> the party addressed in `to`."""
    return ALL if fact.kind == "ChildConcernNotified" and fact["to"] == receiver else NOTHING


def s10(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """From producers of the same municipality, which is responsible; SOC excluded when age < 18."""
    same = municipality(fact.party) is not None and municipality(fact.party) == municipality(receiver)
    if not same or not of_responsible(case, receiver):
        return NOTHING
    if role(receiver) == "SOC" and case.minor:
        return NOTHING
    opened = set(ONE_MUNICIPALITY.get(role(receiver), ()))
    if role(receiver) == "CHI" and case.minor:
        opened |= {"FI", "EM", "ED"}
    return frozenset(opened)


def s11(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """CA of non-treatment producers (not ADD, PSY, CHI) -> participants; KIF: in W."""
    if fact.role in ("ADD", "PSY", "CHI") or receiver not in participants(case):
        return NOTHING
    if role(receiver) not in ("PRI", "KIF", "PHE", "SOC", "JOB", "ADD", "YTH", "PSY", "CHI"):
        return NOTHING
    if role(receiver) == "KIF" and not in_window(case):
        return NOTHING
    return frozenset({"CA"})


def s13(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """PRI <-> KIF everything but CF, while KIF is active; PRI -> PHE: CU, CA, always (4.9.8)."""
    pair = (fact.role, role(receiver))
    if pair == ("PRI", "PHE"):
        return frozenset({"CU", "CA"})
    if pair in (("PRI", "KIF"), ("KIF", "PRI")) and probation_active(case):
        return ALL - {"CF"}
    return NOTHING


def s14(case: Case, fact: Fact, receiver: str) -> frozenset[str]:
    """CarePlacementBreached, whole -> producer of the placement (and active KIF); running when it occurred."""
    if fact.kind != "CarePlacementBreached":
        return NOTHING
    begun = [
        placement
        for placement in named(
            case.of_kind("CarePlacementStarted", "CarePlacementEnded"), "placementId", fact["placementId"]
        )
        if placement.occurred <= fact.occurred
    ]
    ends = [number for number, placement in enumerate(begun, 1) if placement.kind == "CarePlacementEnded"]
    running = begun[ends[-1] :] if ends else begun
    if not running:
        return NOTHING
    if receiver in [placement.party for placement in running] or (role(receiver) == "KIF" and probation_active(case)):
        return ALL
    return NOTHING


Rule = Callable[[Case, Fact, str], frozenset[str]]
ORDER: Final[dict[str, tuple[tuple[str, Rule], ...]]] = {
    "DK": (
        ("S13", s13), ("S1", s1), ("S2", s2), ("S3", s3), ("S10", s10), ("S11", s11), ("S6", s6), ("S5", s5),
        ("S8", s8), ("S14", s14), ("S4", s4),
    ),
    "SE": (("S13", s13), ("S6", s6), ("S7", s7), ("S5", s5), ("S8", s8), ("S14", s14), ("S4", s4)),
}  # fmt: skip
"""The order of 4.1: S13, S1, S2, S3, S10, S11, S6, S7, S5, S8, S14, S4."""

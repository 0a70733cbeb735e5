"""What the naive reader makes of a case as a whole: custody, responsibility, roles that come and go (1, 4.1, 4.9).

Rules: each function quotes its sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from tests.naive import civil
from tests.naive.case import MUNICIPAL_ROLES, Case, Fact, country, municipality, role

STARTS = ("RemandStarted", "ImprisonmentStarted", "RecalledToPrison")
RELEASES_ON = ("ReleasedOnParole", "ReleasedAtEndOfSentence", "ReleasedOnOtherGround")
RELEASES = (*RELEASES_ON, "ReleasedFromRemand")
INVOLUNTARY = ("INVOLUNTARY", "FORENSIC")
OPENED_BY = {
    "admission": ("admissionId", ("AdmissionStarted",), ("AdmissionEnded",)),
    "treatment": (
        "treatmentId",
        ("TreatmentStarted", "TreatmentResumed"),
        ("TreatmentCompleted", "TreatmentInterrupted", "TreatmentTransferred"),
    ),
    "trial": ("trialId", ("TreatmentTrialStarted",), ("TreatmentTrialLapsed",)),
    "medication": ("episodeId", ("MedicationAgreementMade",), ("MedicationAgreementEnded",)),
    "outpatient": ("episodeId", ("OutpatientEpisodeStarted",), ("OutpatientEpisodeEnded",)),
}


@dataclass(frozen=True)
class Episode:
    """The current or most recent custody episode: its starts in order."""

    starts: tuple[Fact, ...]
    release: Fact | None

    @property
    def began(self) -> int:
        """The instant of its first start."""
        return self.starts[0].occurred

    @property
    def is_open(self) -> bool:
        """Open = no live release event known at T with occurredAt >= the latest start (4.9.3)."""
        return self.release is None

    @property
    def convicted(self) -> bool:
        """Convicted from its first ImprisonmentStarted with legalStatus=CONVICTED, or from RecalledToPrison (4.9.3)."""
        return any(start.kind == "RecalledToPrison" or start["legalStatus"] == "CONVICTED" for start in self.starts)

    @property
    def plan_duty(self) -> bool:
        """That of the latest ImprisonmentStarted; RecalledToPrison counts as planDuty=true (4.9.3)."""
        said = [
            start["planDuty"] if start.kind == "ImprisonmentStarted" else True
            for start in self.starts
            if start.kind != "RemandStarted"
        ]
        return bool(said and said[-1])


def _of_custody(case: Case, *kinds: str) -> list[Fact]:
    """Return the live custody records of prisons of the case's country, or of none (a case is told in its own one)."""
    return [fact for fact in case.of_kind(*kinds) if country(fact.party) in (None, case.history.jurisdiction)]


def _custody_id(start: Fact) -> object:
    return start["newCustodyId"] if start.kind == "RecalledToPrison" else start["custodyId"]


@lru_cache(maxsize=64)
def episode(case: Case) -> Episode | None:
    """A start belongs to the current episode only if its priorCustodyId is one of that episode's (4.9.3)."""
    current: tuple[Fact, ...] = ()
    for start in _of_custody(case, *STARTS):
        prior = start["priorCustodyId"]
        chained = prior is not None and prior in [_custody_id(earlier) for earlier in current]
        current = (*current, start) if chained else (start,)
    if not current:
        return None
    # Of several releases after the latest start the last one counts (4.9.16).
    releases = [release for release in _of_custody(case, *RELEASES) if release.occurred >= current[-1].occurred]
    return Episode(current, releases[-1] if releases else None)


def custody_open(case: Case) -> bool:
    """Whether the citizen is in custody, as far as is known."""
    current = episode(case)
    return current is not None and current.is_open


@lru_cache(maxsize=64)
def in_window(case: Case) -> bool:
    """W = current or most recent custody episode, from its start to release + 6 months (4.1)."""
    current = episode(case)
    if current is None:
        return False
    return current.release is None or case.at < civil.add_months(current.release.occurred, 6, case.zone)


def covered_by_window(case: Case, fact: Fact) -> bool:
    """In W, and S1-S3 cover only events with occurredAt >= that episode's start (4.1)."""
    current = episode(case)
    return current is not None and in_window(case) and fact.occurred >= current.began


@lru_cache(maxsize=64)
def responsible(case: Case) -> str | None:
    """Last effective ResponsibilityTransferred, else what came first of CaseOpened and a custody start's home (1)."""
    transfers = [fact for fact in case.of_kind("ResponsibilityTransferred") if case.begun(fact["effectiveDate"])]
    if transfers:
        # The one with the latest effectiveDate (then occurredAt) that has begun is in force (4.9.4).
        last = max(transfers, key=lambda fact: (fact["effectiveDate"], fact.order))
        return str(last["toMunicipality"])
    starts = _of_custody(case, "RemandStarted", "ImprisonmentStarted")
    for fact in sorted([*case.of_kind("CaseOpened"), *starts], key=lambda fact: fact.order):
        if fact.kind != "CaseOpened":
            return str(fact["homeMunicipality"])
        if fact.role in ("SOC", "JOB", "CHI"):
            return municipality(fact.party)
    return None


def of_responsible(case: Case, party: str) -> bool:
    """Whether `party` is a municipal party of the responsible municipality."""
    return municipality(party) is not None and municipality(party) == responsible(case)


@lru_cache(maxsize=64)
def coordinator(case: Case) -> str | None:
    """One per citizen (1); CoordinatorVacated ends only the assignment of the party it names (4.9.18)."""
    holder: str | None = None
    for fact in case.of_kind("CoordinatorAssigned", "CoordinatorHandedOver", "CoordinatorVacated"):
        if fact.kind != "CoordinatorVacated":
            holder = fact["party"]
        elif fact["party"] == holder:
            holder = None
    return holder


def as_soc(case: Case, party: str) -> bool:
    """AsSOC = SOC (CHI if age < 18), or the municipal party holding the active coordinator assignment (4.1)."""
    if not of_responsible(case, party):
        return False
    return role(party) == ("CHI" if case.minor else "SOC") or (
        role(party) in MUNICIPAL_ROLES and coordinator(case) == party
    )


@lru_cache(maxsize=64)
def probation_active(case: Case) -> bool:
    """From the moment a ReleasedOn* with supervision=true or any record of KIF's is known (4.9.2), live ones (4.9.17).

    A retraction, and the receipt for an order to remove, is about a record: not one of the citizen.
    """
    return any(fact["supervision"] is True for fact in _of_custody(case, *RELEASES_ON)) or any(
        fact.role == "KIF"
        and country(fact.party) in (None, case.history.jurisdiction)
        and fact.kind not in ("EventRetracted", "RemovalReceipted")
        for fact in case.live
    )


@lru_cache(maxsize=64)
def participants(case: Case) -> frozenset[str]:
    """Has published at least one live fact about the citizen, known at T, that is not a CO record (4.9.2)."""
    return frozenset(fact.party for fact in case.live if fact.anchor not in (None, "CO"))


def remand_restrictions(case: Case) -> bool:
    """The latest RemandStarted/Extended says restrictions=true; ImprisonmentStarted or any release lifts it (N7)."""
    said = _of_custody(case, "RemandStarted", "RemandExtended", "ImprisonmentStarted", *RELEASES)
    return bool(said) and said[-1]["restrictions"] is True


def address_protected(case: Case) -> bool:
    """AddressProtection is set; `until` ends it at 00:00 of its day (N8, 4.9.1)."""
    last = case.latest("AddressProtectionSet", "AddressProtectionLifted")
    if last is None or last.kind == "AddressProtectionLifted":
        return False
    return last["until"] is None or not case.begun(last["until"])


@dataclass(frozen=True)
class Treatment:
    """One treatment episode of one party: its last opening, and its last closing where that came later."""

    party: str
    kind: str
    opening: Fact
    closing: Fact | None


@lru_cache(maxsize=64)
def treatments(case: Case) -> tuple[Treatment, ...]:
    """Episode ids are compared within kind and producer, and the last closing counts (4.9.19)."""
    found: list[Treatment] = []
    for kind, (id_field, opened_by, closed_by) in OPENED_BY.items():
        facts = case.of_kind(*opened_by, *closed_by)
        for party, number in sorted({(fact.party, str(fact[id_field])) for fact in facts}):
            mine = [fact for fact in facts if fact.party == party and str(fact[id_field]) == number]
            openings = [fact for fact in mine if fact.kind in opened_by]
            if openings:
                opening, last = openings[-1], mine[-1]
                found.append(Treatment(party, kind, opening, last if last.kind in closed_by else None))
    return tuple(found)


def in_treatment(case: Case, party: str) -> bool:
    """A treatment episode open at T or closed <= 30 days before T (S6)."""
    return any(
        treatment.closing is None or case.at <= civil.add_days(treatment.closing.occurred, 30, case.zone)
        for treatment in treatments(case)
        if treatment.party == party
    )


def admissions(case: Case, at: int) -> list[Fact]:
    """The beginnings of the admissions that were open at the instant `at`."""
    return [
        treatment.opening
        for treatment in treatments(case)
        if treatment.kind == "admission"
        and treatment.opening.occurred <= at
        and (treatment.closing is None or at < treatment.closing.occurred)
    ]


def involuntary_admission(case: Case) -> bool:
    """Open LPT/LRV admission (S7)."""
    return any(admission["legalForm"] in INVOLUNTARY for admission in admissions(case, case.at))


def misuse_ongoing(case: Case) -> bool:
    """The latest SubstanceMisuseAssessed decides (4.9.19); validUntil ends it at 00:00."""
    last = case.latest("SubstanceMisuseAssessed")
    return last is not None and last["ongoing"] is True and not case.begun(last["validUntil"])


def health_party(case: Case, party: str) -> bool:
    """PHE, PSY, ADD/FAC with `healthcareProvider` (S6)."""
    return role(party) in ("PHE", "PSY") or (role(party) in ("ADD", "FAC") and party in case.history.providers)

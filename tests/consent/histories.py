"""Generated case histories: small, dense in coincidences, over every event type from which a standing is derived."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.categories import Category
from contracts.civil_time import day_number
from contracts.fact import Fact, Outline, outline_of
from contracts.parties import Party, PartyRegistry
from hub.consent.policy import Policy
from hub.consent.standing import Person, Standing, derive

DAY_MS = 86_400_000
FIRST_DAY = day_number(date(2025, 1, 6))
SPAN_DAYS = 500
REGISTRY = PartyRegistry.of(
    [Party(id) for id in ("PRI", "KIF", "PHE", "PSY", "FAC", "MNT", "VOL", "EVA", "POLICE")]
    + [Party(f"A.{role}") for role in ("SOC", "JOB", "BEN", "CHI", "YTH", "HSG")]
    + [Party("A.ADD", healthcare_provider=True), Party("B.SOC"), Party("B.JOB"), Party("B.CHI"), Party("B.ADD")]
)
PARTIES = tuple(party.id for party in REGISTRY)
DOMAINS = ("HOUSING", "SUBSTANCE", "MENTAL", "FAMILY", "OFFENDING", "UNHEARD_OF")
PURPOSES = ("RELEASE_PLANNING", "SOCIAL_SUPPORT", "TREATMENT", "SUPPORT", "JOINT_PLANNING", "EVALUATION", "OTHER")
CATEGORIES = (*(category.value for category in Category), "OTHER")

instants = st.integers(0, SPAN_DAYS * 24).map(lambda hour: FIRST_DAY * DAY_MS + hour * 3_600_000)
days = st.integers(FIRST_DAY, FIRST_DAY + SPAN_DAYS)
ids = st.sampled_from(("i1", "i2"))
parties = st.sampled_from(PARTIES)
flags = st.booleans()


def lists(values: tuple[str, ...], at_least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=at_least, max_size=6, unique=True)


def held_by(facts: Iterable[Fact]) -> dict[str, int]:
    """What categories (mask) each party has facts of, consent and governance records left out."""
    held: dict[str, int] = {}
    for fact in facts:
        event_type = catalogue().event_types[fact.event_type]
        if event_type.anchor != Category.CO:
            held[fact.party] = held.get(fact.party, 0) | outline_of(fact, event_type).categories
    return held


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


CUSTODY = {"custodyId": ids, "priorCustodyId": maybe(ids), "homeMunicipality": st.sampled_from("AB")}
CONSENT = {
    "consentId": ids,
    "collectedBy": parties,
    "givenBy": st.sampled_from(("SUBJECT", "SUBJECT", "GUARDIAN", "SUBJECT_AND_GUARDIAN", "LEGAL_REPRESENTATIVE")),
    "form": st.sampled_from(("WRITTEN", "DIGITAL", "ORAL")),
    "categories": lists(CATEGORIES),
    "sources": lists(PARTIES, 3),
    "recipients": lists(PARTIES, 3),
    "purposes": lists(PURPOSES, 2),
    "validFrom": instants,
    "validUntil": maybe(instants),
    "dataFrom": maybe(days),
    "withdrawalExplained": st.just(True),
    "capacityConfirmed": st.just(True),
    "evidenceRef": st.just("x"),
}
EPISODE = {"admissionId": ids, "treatmentId": ids, "trialId": ids, "episodeId": ids, "to": maybe(parties)}
ITEMS = {"items": st.lists(st.sampled_from(DOMAINS).map(lambda domain: {"domain": domain}), max_size=3)}
GLASS = {
    "requestId": ids,
    "party": parties,
    "categories": lists(CATEGORIES, 3),
    "reason": st.sampled_from(("OVERDOSE", "OTHER", None)),
    "justification": st.sampled_from(("x" * 30, "short")),
    "expiresAt": maybe(instants),
}
FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "ImprisonmentStarted": {
        **CUSTODY,
        "legalStatus": st.sampled_from(("CONVICTED", "REMAND")),
        "planDuty": flags,
        "offenceGroup": st.just("OTHER"),
    },
    "RemandStarted": {**CUSTODY, "restrictions": flags},
    "RemandExtended": {"custodyId": ids, "restrictions": flags},
    "RecalledToPrison": {"newCustodyId": maybe(ids)},
    "ReleasedOnParole": {"supervision": flags},
    "ReleasedAtEndOfSentence": {"supervision": flags},
    "ReleasedFromRemand": {},
    "CaseOpened": {},
    "CaseKeptOpen": {"caseNo": st.just("x")},
    "ResponsibilityTransferred": {"toMunicipality": st.sampled_from("AB"), "effectiveDate": days},
    "CoordinatorAssigned": {"party": parties},
    "CoordinatorVacated": {"party": parties},
    "KspActivated": {"necessity": st.just("x"), "radicalisation": flags, "endsOn": days},
    "KspEnded": {"endsOn": days},
    "AddressProtectionSet": {"until": maybe(days)},
    "AddressProtectionLifted": {},
    "HousingSecured": {"address": st.just("x")},
    "CarePlacementStarted": {"placementId": ids},
    "CarePlacementEnded": {"placementId": ids},
    "CarePlacementBreached": {"placementId": ids, "detail": st.just("x")},
    "AdmissionStarted": {**EPISODE, "legalForm": st.sampled_from(("VOLUNTARY", "INVOLUNTARY"))},
    "AdmissionEnded": EPISODE,
    "TreatmentStarted": {**EPISODE, "setting": st.just("PRISON")},
    "TreatmentCompleted": EPISODE,
    "MedicationHandedOver": EPISODE,
    "DischargeAgreementMade": {**EPISODE, **ITEMS, "parties": lists(PARTIES)},
    "HealthSharingObjected": {"source": parties},
    "HealthSharingObjectionLifted": {"source": parties},
    "SubstanceMisuseAssessed": {"ongoing": flags, "validUntil": days},
    "ChildConcernNotified": {"to": parties, "childRef": st.just("x")},
    "JointPlanAgreed": {**ITEMS, "consentId": ids, "participants": lists(PARTIES, 3)},
    "SentencePlanAgreed": ITEMS,
    "ConsentGiven": CONSENT,
    "ConsentAmended": CONSENT,
    "ConsentWithdrawn": {"consentId": ids},
    "BreakGlassRequested": GLASS,
    "BreakGlassGranted": GLASS,
    "BreakGlassDenied": GLASS,
    "BreakGlassEnded": GLASS,
    "BenefitGranted": {"monthlyAmount": st.just(b"\x01")},
}
OFTEN = (
    "ImprisonmentStarted",
    "RemandStarted",
    "ConsentGiven",
    "CaseOpened",
    "ReleasedOnParole",
    "BreakGlassRequested",
)


@st.composite
def facts(draw: Callable[..., Any]) -> Fact:
    event_type = draw(st.sampled_from((*FIELDS, *OFTEN)))
    contract = catalogue().event_types[event_type]
    party = draw(st.sampled_from([each.id for each in REGISTRY if contract.may_state(each.role)]))
    payload = {name: draw(values) for name, values in FIELDS[event_type].items() if name in contract.field}
    if event_type == "BreakGlassRequested":
        payload["party"] = draw(st.sampled_from((party, payload["party"])))
    occurred_at = draw(instants)
    late = draw(st.sampled_from((0, 0, 0, 3_600_000, 9 * DAY_MS)))
    return Fact("", event_type, party, occurred_at, occurred_at + late, payload | {"at": occurred_at})


@dataclass(frozen=True)
class History:
    """A case: its facts (all live) and its citizen."""

    facts: tuple[Fact, ...]
    person: Person

    def known(self, at: int) -> list[Fact]:
        return [fact for fact in self.facts if fact.recorded_at <= at]

    def outlines(self, at: int) -> list[Outline]:
        return [outline_of(fact, catalogue().event_types[fact.event_type]) for fact in self.known(at)]

    def standing(self, at: int, policy: Policy, known_at: int | None = None, reverse: bool = False) -> Standing:
        known = self.known(at if known_at is None else known_at)
        return derive(
            reversed(known) if reverse else known,
            held_by(known),
            frozenset(fact.party for fact in known),
            self.person,
            at,
            policy,
        )


@st.composite
def histories(draw: Callable[..., Any], jurisdiction: str) -> History:
    drawn = draw(st.lists(facts(), min_size=4, max_size=22))
    named = tuple(
        Fact(f"{fact.party}/e{n}", fact.event_type, fact.party, fact.occurred_at, fact.recorded_at, fact.payload)
        for n, fact in enumerate(drawn)
    )
    born = draw(st.sampled_from((date(1990, 5, 5), date(2007, 4, 6), date(2010, 2, 28), date(2008, 2, 29))))
    return History(named, Person(born, jurisdiction))


END = (FIRST_DAY + SPAN_DAYS + 30) * DAY_MS
moments = st.integers(FIRST_DAY * 24 + 40 * 24, END // 3_600_000).map(lambda hour: hour * 3_600_000)

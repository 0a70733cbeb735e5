"""Plausible lives: one citizen's way through custody and out again, as the agencies around it would state it.

Rules:
- Everything follows from (seed, municipality, number): the same call gives the same life, whatever was made before.
- What a life comes to (`Outcome`) is known from how it was drawn, without any formula of the hub.
- Agencies are human: a fact is recorded late, stated twice, corrected, taken back, or sent under nobody's key.
- No life is anybody's: names of parties are numbers, ids are drawn.

Played by `deploy.benchmark.year`, which compares what the hub's indicators say with the outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Final

from contracts.civil_time import instant_of
from deploy.benchmark.life_facts import (
    CONTINUED_DAYS,
    DAY,
    DAYS_OF_RELEASES,
    RELEASED_AT,
    RETURNED_DAYS,
    Drawing,
    Life,
    Outcome,
)

_NEUTRAL: Final = ("IntakeInterviewHeld", "MunicipalPlanAgreed", "BenefitApplied")
"""Corrected without a word of them changing what the life comes to."""


def life(seed: int, municipality: str, number: int) -> Life:
    """Draw the life of the `number`-th release of a municipality."""
    return _Drawing(Random(f"{seed}/{municipality}/{number}"), municipality).life()


@dataclass
class _Drawing(Drawing):
    """Draws one life, stage by stage."""

    def life(self) -> Life:
        """Draw it all."""
        rng = self.rng
        case_id = self.new_id()
        born = date(rng.randrange(1960, 2006), rng.randrange(1, 13), rng.randrange(1, 28))
        self.release_day += rng.randrange(DAYS_OF_RELEASES) * DAY
        self.kind = rng.choices(("PAROLE", "END_OF_SENTENCE", "REMAND"), (60, 25, 15))[0]
        self.length = rng.randrange(20, 120) if self.kind == "REMAND" else rng.randrange(60, 560)
        self.custody = self.new_id()
        self._into_custody()
        self._case_and_plans()
        self._consent()
        self._begun_inside()
        without_housing, without_income = self._housing(), self._income()
        self._release()
        self._contacts()
        returned = self._return()
        self._human()
        self.facts.sort(key=lambda fact: (fact.recorded_at, fact.reference, fact.revision))
        outcome = Outcome(
            self.kind,
            f"{self.release_day:%Y-%m}",
            min(self.contacts, default=None),
            self._continued(),
            returned,
            without_housing,
            without_income,
        )
        return Life(case_id, born, self.home, tuple(self.facts), outcome)

    # --- before release

    def _into_custody(self) -> None:
        rng = self.rng
        remand = self.kind == "REMAND" or rng.random() < 0.35
        start = -self.length
        prior = None
        if remand:
            restricted = rng.random() < 0.3
            values: dict[str, Any] = {"institution": "PRI", "homeMunicipality": self.home, "chargeGroup": "DRUGS"}
            self.state(
                "PRI",
                "RemandStarted",
                start,
                9,
                **values,
                restrictions=restricted,
                startedAt=...,
                custodyId=self.custody,
            )
            if restricted:
                hearing = self.day(start + 28)
                self.state(
                    "PRI",
                    "RemandExtended",
                    start + 14,
                    12,
                    custodyId=self.custody,
                    nextHearing=hearing,
                    restrictions=False,
                )
        if self.kind != "REMAND":
            if remand:
                start += rng.randrange(15, self.length // 2)
                prior, self.custody = self.custody, self.new_id()
            self.state(
                "PRI", "ImprisonmentStarted", start, 9,
                custodyId=self.custody, priorCustodyId=prior, startedAt=..., institution="PRI", legalStatus="CONVICTED",
                planDuty=True, sentenceDays=self.length, offenceGroup=rng.choice(("VIOLENCE", "PROPERTY", "DRUGS")),
                earliestParole=self.day(0), homeMunicipality=self.home, caresForChild=rng.random() < 0.2,
            )  # fmt: skip
            self.state(
                "PRI", "SentencePlanAgreed", self.inside(10, 45), 14, **self.plan(), agreedAt=..., citizenAgrees=True
            )
        self.state(
            "PRI", "IntakeInterviewHeld", -self.length + 2, 13,
            custodyId=self.custody if prior is None else prior, heldAt=..., fileAccessConsentAsked=True,
            needs=[{"domain": domain, "level": "SOME", "note": None} for domain in ("HOUSING", "SUBSTANCE")],
        )  # fmt: skip
        dated = {"custodyId": self.custody, "kind": self.kind if self.kind != "REMAND" else "REMAND"}
        first = self.inside(1, self.length - 5)
        if rng.random() < 0.3 and first < -8:
            planned = self.day(rng.randrange(5, 40))
            self.state("PRI", "ReleaseDateSet", first, 10, **dated, releaseDate=planned)
            changed = rng.randrange(first + 1, -3)
            self.state(
                "PRI", "ReleaseDateChanged", changed, 10,
                **dated, releaseDate=self.day(0), previousDate=planned, reason="RECALCULATED",
            )  # fmt: skip
        else:
            self.state("PRI", "ReleaseDateSet", first, 10, **dated, releaseDate=self.day(0))

    def _case_and_plans(self) -> None:
        rng, soc = self.rng, f"{self.home}.SOC"
        opened = -self.length + (3 if rng.random() < 0.4 else -rng.randrange(5, 60))
        self.state(soc, "CaseOpened", opened, 9, caseNo="1", at=...)
        if rng.random() < 0.5:
            until = self.day(rng.randrange(0, 60))
            self.state(
                soc,
                "CaseKeptOpen",
                self.inside(4, 12),
                11,
                caseNo="1",
                custodyId=self.custody,
                at=...,
                keepOpenUntil=until,
            )
        if rng.random() < 0.7:
            self.state(
                soc, "MunicipalPlanAgreed", self.inside(8, self.length - 2), 11,
                **self.plan(), agreedAt=..., basis="SEL_141", citizenAgrees=True,
            )  # fmt: skip
        if rng.random() < 0.75:
            self.state(
                soc, "CoordinatorAssigned", self.inside(5, self.length - 2), 15,
                party=soc, at=..., coordinator=f"s-{rng.randrange(1, 9)}", caseload=rng.randrange(5, 40),
            )  # fmt: skip
        if self.kind != "REMAND":
            self.state(
                "PRI", "ReleaseMeetingHeld", self.inside(self.length // 2, self.length - 2), 10,
                custodyId=self.custody, heldAt=..., participants=["PRI", soc], followUpParty=soc,
                housingReady=rng.random() < 0.5, incomeReady=rng.random() < 0.5,
            )  # fmt: skip

    def _consent(self) -> None:
        rng, home = self.rng, self.home
        if rng.random() < 0.2:
            return
        consent = self.new_id()
        given = self.inside(3, 15)
        scope = {
            "categories": ["CU", "PL", "HO", "EM", "ED", "SU"],
            "sources": ["PRI", f"{home}.SOC", f"{home}.ADD", f"{home}.YTH"],
            "recipients": ["PRI", f"{home}.SOC", f"{home}.JOB", f"{home}.ADD"],
            "purposes": ["RELEASE_PLANNING", "SOCIAL_SUPPORT", "EMPLOYMENT", "TREATMENT"],
        }
        self.state(
            f"{home}.SOC", "ConsentGiven", given, 12,
            consentId=consent, version=1, at=..., collectedBy=f"{home}.SOC", collector="s-1", givenBy="SUBJECT",
            form="WRITTEN", evidenceRef="paper", noticeVersion="1", language="da", withdrawalExplained=True,
            capacityConfirmed=True, validFrom=..., **scope,
        )  # fmt: skip
        if rng.random() < 0.15:
            ended = rng.randrange(given + 5, 60)
            self.state(f"{home}.SOC", "ConsentWithdrawn", ended, 16, consentId=consent, at=..., by="SUBJECT")

    def _begun_inside(self) -> None:
        rng, home = self.rng, self.home
        if rng.random() < 0.5:
            add = f"{home}.ADD"
            treatment: dict[str, Any] = {"treatmentId": self.new_id(), "kind": "SOCIAL", "basis": "SFL_45A"}
            treatment |= {"targetGroup": rng.choice(("CANNABIS_MIXED", "SUBSTITUTION")), "provider": add, "at": ...}
            begun = self.inside(8, self.length - 3)
            talk = {"talkId": self.new_id(), "at": ..., "setting": "PRISON", "topics": ["SUBSTANCE"]}
            self.state(add, "MotivationTalkHeld", begun - 4, 10, **talk, nextStep="TREATMENT_OFFERED", project="walls")
            self.state(add, "TreatmentStarted", begun, 11, **treatment, setting="PRISON")
            self._goes_on(add, "TreatmentResumed", 0.6, **treatment, setting="OUTPATIENT")
            self.begun = True
        if rng.random() < 0.35:
            guidance = {"activityId": self.new_id(), "at": ...}
            self.state(
                f"{home}.YTH", "GuidanceStarted", self.inside(6, self.length - 3), 14, **guidance, setting="PRISON"
            )
            self._goes_on(
                f"{home}.YTH", "GuidanceSessionHeld", 0.6, **guidance, setting="SCHOOL", attendance="ATTENDED"
            )
            self.begun = True
        if rng.random() < 0.25:
            mentor = {"activityId": self.new_id(), "mentor": "s-2", "provider": f"{home}.JOB", "at": ...}
            self.state(f"{home}.JOB", "MentorAssigned", self.inside(6, self.length - 3), 10, **mentor)
            after = rng.randrange(1, 60)
            self.state(f"{home}.JOB", "MentorContactHeld", after, 12, **mentor, attendance="NO_SHOW")
            self.begun = True

    def _goes_on(self, party: str, event_type: str, share: float, **values: Any) -> None:
        if self.rng.random() < share:
            after, hour = self.rng.randrange(0, 220), self.rng.choice((11, 15))
            self.state(party, event_type, after, hour, **values)
            self.went_on.append((after, time(hour)))

    def _housing(self) -> bool:
        rng, home = self.rng, self.home
        housing: dict[str, Any] = {
            "housingId": self.new_id(),
            "kind": rng.choice(("OWN_TENANCY", "SUPPORTED_85")),
            "at": ...,
        }
        self.state(f"{home}.HSG", "HousingApplied", self.inside(4, self.length - 3), 9, **housing)
        if rng.random() < 0.65:
            secured = self.inside(self.length // 3, self.length)
            starts = self.day(rng.randrange(-1, 20))
            self.state(f"{home}.HSG", "HousingSecured", secured, 8, **housing, startsOn=starts, address="Street 1")
            return False
        if rng.random() < 0.5:
            self.state(f"{home}.HSG", "HousingSecured", rng.randrange(2, 90), 12, **housing, address="Street 2")
        return True

    def _income(self) -> bool:
        rng, ben = self.rng, f"{self.home}.BEN"
        benefit = {"benefitId": self.new_id(), "kind": "CASH_ASSISTANCE", "at": ...}
        self.state(ben, "BenefitApplied", self.inside(self.length // 2, self.length - 1), 9, **benefit)
        if rng.random() < 0.7:
            starts = rng.randrange(-3, 15)
            granted = self.inside(self.length // 2, self.length)
            self.state(ben, "BenefitGranted", granted, 8, **benefit, startsOn=self.day(starts))
            return starts > 0
        return True

    # --- release and after

    def _release(self) -> None:
        values = {"custodyId": self.custody, "releasedAt": ...}
        if self.kind == "REMAND":
            notice = {"noticeHours": self.rng.choice((0, 12, 24, 72)), "endReason": "COURT_RELEASED"}
            self.state("PRI", "ReleasedFromRemand", 0, 10, **values, **notice)
            return
        supervised = self.kind == "PAROLE"
        name = "ReleasedOnParole" if supervised else "ReleasedAtEndOfSentence"
        self.state("PRI", name, 0, 10, **values, supervision=supervised)
        if supervised:
            self.state("KIF", "SupervisionStarted", 1, 9, supervisionId=self.new_id(), at=..., until=self.day(180))

    def _contacts(self) -> None:
        rng, home = self.rng, self.home
        for _ in range(rng.randrange(0, 3)):
            after, attended = rng.randrange(0, 40), rng.random() < 0.75
            self.state(
                f"{home}.SOC", "MunicipalContactHeld", after, 13,
                contactId=self.new_id(), at=..., channel="OFFICE", inCustody=False,
                attendance="ATTENDED" if attended else "NO_SHOW",
            )  # fmt: skip
            self.contacts += [after] if attended else []
        if rng.random() < 0.6:
            after, attended = rng.randrange(1, 60), rng.random() < 0.75
            self.state(
                f"{home}.JOB", "JobcenterMeetingHeld", after, 14,
                meetingId=self.new_id(), at=..., channel="OFFICE", inCustody=False,
                attendance="ATTENDED" if attended else "CANCELLED_AGENCY",
            )  # fmt: skip
            self.contacts += [after] if attended else []

    def _return(self) -> int:
        if self.rng.random() >= 0.2:
            return len(RETURNED_DAYS)
        after = self.rng.randrange(20, 400)
        values = {"custodyId": self.new_id(), "startedAt": ..., "institution": "PRI", "homeMunicipality": self.home}
        self.state("PRI", "RemandStarted", after, 9, **values, restrictions=False)
        return next((place for place, days in enumerate(RETURNED_DAYS) if after <= days), len(RETURNED_DAYS))

    def _continued(self) -> int | None:
        if not self.begun:
            return None
        for place, days in enumerate(CONTINUED_DAYS):
            if any(after < days or (after == days and at <= RELEASED_AT) for after, at in self.went_on):
                return place
        return len(CONTINUED_DAYS)

    def _human(self) -> None:
        """What happens wherever people keep records."""
        rng = self.rng
        if rng.random() < 0.15:
            wrong = rng.choice([fact for fact in self.facts if fact.event_type in _NEUTRAL])
            later = wrong.recorded_at + rng.randrange(1, 20) * 86_400_000
            again = {**wrong.values, "lateReason": "CORRECTED"}
            self.facts.append(replace(wrong, values=again, recorded_at=later, revision=1))
        if rng.random() < 0.05:
            wrong = next(fact for fact in self.facts if fact.event_type == "HousingApplied")
            at = _moment_after(wrong.recorded_at, days=3)
            self.facts.append(replace(wrong, occurred_at=at, recorded_at=instant_of(at), retracts=wrong.event_type))
        if rng.random() < 0.1:
            twice = rng.choice(self.facts)
            self.facts.append(replace(twice, recorded_at=twice.recorded_at + rng.randrange(1, 90) * 60_000))
        if rng.random() < 0.04:
            astray = rng.choice([fact for fact in self.facts if not fact.retracts])
            reference = f"{astray.reference}-astray"
            self.facts.append(replace(astray, reference=reference, revision=0, key_of_nobody=True))


def _moment_after(instant: int, days: int) -> datetime:
    """The moment `days` days after an instant in milliseconds."""
    return datetime.fromtimestamp(instant / 1000, UTC) + timedelta(days=days)

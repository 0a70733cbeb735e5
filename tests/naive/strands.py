"""The strands that a generated history is woven from; each tells one thing of a life, with its corners.

Rules:
- A strand states events and marks the moments at which it begins or ends to count.
- What the rules make of it is not known here.
"""

from __future__ import annotations

from tests.consent.production import Stated
from tests.naive import civil
from tests.naive.case import role
from tests.naive.payloads import number
from tests.naive.story import MINUTE, Story


def custody(story: Story) -> None:
    """Remand, imprisonment (chained or not), release, recall."""
    chance, at = story.chance, story.moment(0, 60)
    prison, ids = story.one_of("PRI"), story.values.pool["custodyId"]
    prior: str | None = None
    if story.happens(0.6):
        if story.happens(0.9):  # else: the start is not known, only what follows
            story.say("RemandStarted", prison, at, custodyId=ids[0], homeMunicipality=story.home)
            story.look(story.after(at, 20))
        prior = ids[0] if story.happens(0.8) else None
        on_the_edge(story, prison, at)
        for _ in range(chance.randint(0, 2)):
            at = story.after(at, 25)
            story.say("RemandExtended", prison, at, custodyId=ids[0])
        at = story.after(at, 30)
        if story.happens(0.25):
            released(story, story.say("ReleasedFromRemand", prison, at, custodyId=ids[0]))
            at = story.after(at, 60)
    if story.happens(0.85) or prior is None:
        status = chance.choice(("CONVICTED", "CONVICTED", "CONVICTED", "CONVICTED", "DETAINED_OTHER"))
        home = chance.choice((story.home, story.home, story.away))
        story.say(
            "ImprisonmentStarted", prison, at, custodyId=ids[1], priorCustodyId=prior, legalStatus=status,
            homeMunicipality=home, planDuty=story.happens(0.85),
        )  # fmt: skip
        on_the_edge(story, prison, at)
        if story.happens(0.2):
            again = story.after(at, 60)
            story.say("ImprisonmentStarted", prison, again, custodyId=ids[1], priorCustodyId=ids[1])
            at = again if story.happens(0.3) else again - 1440 * MINUTE
        else:
            at = story.after(at, 200, awkward=0.6)
    if story.happens(0.75):
        kind = chance.choice(
            ("ReleasedOnParole", "ReleasedOnParole", "ReleasedAtEndOfSentence", "ReleasedOnOtherGround")
        )
        released(
            story,
            story.say(kind, prison, at, custodyId=ids[1], supervision="KIF" in story.speakers and story.happens(0.5)),
        )
        if story.happens(0.2):
            released(story, story.say(kind, prison, at + 1440 * MINUTE, custodyId=ids[1]))
    if story.happens(0.2):
        at = story.after(at, 120)
        story.say("RecalledToPrison", story.one_of("PRI", "KIF"), at)
        if story.happens(0.4):
            story.say("ImprisonmentStarted", prison, story.after(at, 20), planDuty=story.happens(0.5))


def on_the_edge(story: Story, prison: str, start: int) -> None:
    """What happened at the very instant of a custody start, and just before it."""
    if story.happens(0.3):
        for at in (start, start - 1):
            story.say("TransferredBetweenPrisons", prison, at)
            story.say("SentencePlanAgreed", prison, at)


def released(story: Story, release: Stated) -> None:
    """The window after a release ends six months later."""
    story.look(civil.add_months(release.occurred_at, 6, story.zone))


def responsibility(story: Story) -> None:
    """Cases opened here and there, transfers that begin on a date, coordinators."""
    chance = story.chance
    for _ in range(chance.randint(0, 2)):
        story.say("CaseOpened", story.one_of("SOC", "JOB", "CHI", "BEN", "ADD"), story.moment(0, 120))
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        at = story.moment(60)
        towns = (story.away, story.away, story.home)
        moved = story.say(
            "ResponsibilityTransferred", story.one_of("SOC"), at, toMunicipality=chance.choice(towns),
            effectiveDate=story.day(at, -10, 0, 1, 7, 30),
        )  # fmt: skip
        story.look(civil.midnight(moved.payload["effectiveDate"], story.zone))
    holders = [story.one_of("SOC", "JOB", "CHI", "ADD", "PRI", "KIF", "BEN") for _ in range(2)]
    for kind in chance.choice(
        ((), ("Assigned",), ("Assigned", "Vacated"), ("Assigned", "HandedOver"), ("HandedOver", "Vacated", "Vacated"))
    ):
        story.say(
            f"Coordinator{kind}", story.one_of("SOC", "JOB", "PRI", "KIF"), story.moment(), party=chance.choice(holders)
        )
    if story.happens(0.5):
        story.say("CaseKeptOpen", story.one_of("SOC", "JOB", "ADD", "CHI", "YTH"), story.moment(20, 200))


def police_cooperation(story: Story) -> None:
    """KSP: with and without written necessity and radicalisation, until a date or until it is ended."""
    if story.happens(0.45):
        at = story.moment(5, 200)
        on = story.say(
            "KspActivated", story.one_of("PRI", "KIF", "SOC"), at, necessity=story.chance.choice(("x", "x", "x", "")),
            endsOn=story.day(at, 0, 1, 60, 150, 300), radicalisation=story.happens(0.4),
        )  # fmt: skip
        story.look(civil.midnight(on.payload["endsOn"], story.zone))
        story.look(story.after(on.recorded_at, 60))
        if story.happens(0.3):
            story.say("KspEnded", story.one_of("PRI", "KIF", "SOC"), story.after(at, 90))
        if story.happens(0.6):
            story.say("RiskNoteRecorded", story.one_of("PRI", "KIF", "SOC"), story.after(at, 30))


def treatment(story: Story) -> None:
    """Episodes of health parties that open, close, close again and open again; hand-overs; objections."""
    chance, pool = story.chance, story.values.pool
    kinds = (
        ("admissionId", "AdmissionStarted", "AdmissionEnded", ("PSY",)),
        ("treatmentId", "TreatmentStarted", "TreatmentInterrupted", ("ADD", "PHE", "PSY")),
        ("treatmentId", "TreatmentResumed", "TreatmentTransferred", ("ADD", "PHE")),
        ("trialId", "TreatmentTrialStarted", "TreatmentTrialLapsed", ("ADD",)),
        ("trialId", "TreatmentTrialStarted", "TreatmentTrialConverted", ("ADD",)),
        ("episodeId", "MedicationAgreementMade", "MedicationAgreementEnded", ("PHE", "PSY", "ADD")),
        ("episodeId", "OutpatientEpisodeStarted", "OutpatientEpisodeEnded", ("PSY",)),
    )
    for _ in range(chance.choice((0, 0, 1, 2, 3))):
        name, opens, closes, roles = chance.choice(kinds)
        party, at = story.one_of(*roles), story.moment(0, 250)
        same = {name: chance.choice(pool[name])}
        story.say(opens, party, at, **same)
        for _ in range(chance.choice((0, 1, 1, 2))):
            at = story.after(at, 90)
            story.say(closes, party, at, **same)
            story.look(civil.add_days(at, 30, story.zone))
        if story.happens(0.15):
            story.say(opens, party, story.after(at, 60), **same)
    if story.happens(0.5):
        at, giver = story.moment(0, 300), story.one_of("PHE", "PSY", "ADD")
        story.say("MedicationHandedOver", giver, at, to=story.one_of("PHE", "PSY", "ADD", "FAC"))
        story.look(civil.add_days(at, 90, story.zone))
    if story.happens(0.35):
        at, source = story.moment(), story.one_of("PHE", "PSY", "ADD", "FAC")
        story.say("HealthSharingObjected", story.one_of("PSY", "PHE", "ADD"), at, source=source)
        if story.happens(0.4):
            story.say(
                "HealthSharingObjectionLifted", story.one_of("PSY", "PHE", "ADD"), story.after(at, 60), source=source
            )


def discharge(story: Story) -> None:
    """A discharge agreement or coordination plan, and the end of its admission."""
    if story.happens(0.4):
        party, at, admission = story.one_of("PSY"), story.moment(20, 300), story.values.pool["admissionId"][0]
        kind = story.chance.choice(("DischargeAgreementMade", "CoordinationPlanMade"))
        story.say(kind, party, at, admissionId=admission, parties=story.some(1, 6))
        story.say("AdmissionEnded", party, story.after(at, 20), admissionId=admission)


def protection(story: Story) -> None:
    """Address protection with and without an end, and misuse that is assessed until a date."""
    if story.happens(0.4):
        at = story.moment(0, 250)
        until = story.chance.choice((None, story.day(at, 0, 1, 40, 120)))
        story.say("AddressProtectionSet", story.one_of("SOC", "BEN"), at, until=until)
        if until is not None:
            story.look(civil.midnight(until, story.zone))
        if story.happens(0.3):
            story.say("AddressProtectionLifted", story.one_of("SOC"), story.after(at, 90))
        story.say("HousingSecured", story.one_of("SOC"), story.after(at, 40), address="x")
    if story.happens(0.45):
        at = story.moment(0, 300)
        assessed = story.say(
            "SubstanceMisuseAssessed", story.one_of("SOC", "ADD", "PSY"), at, ongoing=story.happens(0.75),
            validUntil=story.day(at, 0, 1, 30, 180),
        )  # fmt: skip
        story.look(civil.midnight(assessed.payload["validUntil"], story.zone))
        story.look(story.after(assessed.recorded_at, 20))
        story.say("MotivationTalkHeld", story.one_of("SOC"), story.after(at, 10))


def other_board(story: Story) -> None:
    """A Swedish board that answers for somebody whom another board's health party treats."""
    if story.jurisdiction == "SE" and story.happens(0.3):
        at = story.moment(0, 20)
        story.say("CaseOpened", "EH.SOC", at)
        story.say("SubstanceMisuseAssessed", "EH.SOC", at, ongoing=True, validUntil=story.day(at, 200))
        story.look(story.after(at, 150))


def placement(story: Story) -> None:
    """Placements that end or start anew, and breaches before, during and after, also at the very instant."""
    if not story.happens(0.5):
        return
    chance, facility = story.chance, story.one_of("FAC")
    same = {"placementId": chance.choice(story.values.pool["placementId"]), "facility": facility, "plannedEnd": None}
    at = story.moment(0, 200)
    story.say("CarePlacementStarted", story.one_of("PRI", "KIF", "SOC"), at, **same)
    ends = story.after(at, 80)
    if story.happens(0.6):
        story.say("CarePlacementEnded", story.one_of("PRI", "KIF", "SOC"), ends, **same)
    if story.happens(0.2):
        story.say("CarePlacementStarted", story.one_of("PRI", "SOC"), story.after(ends, 30), **same)
    for breach in (chance.choice((at, ends, ends - 1, at - MINUTE)), story.after(at, 100)):
        story.say("CarePlacementBreached", story.one_of("FAC", "ADD"), breach, placementId=same["placementId"])


def concern(story: Story) -> None:
    """Somebody worries about a child and tells somebody."""
    if story.happens(0.5):
        speaker = story.one_of("SOC", "JOB", "PRI", "KIF", "PSY", "ADD", "FAC")
        story.say("ChildConcernNotified", speaker, story.moment(), to=story.chance.choice(story.parties))


def overlap(story: Story) -> None:
    """The hub itself finds two efforts that overlap."""
    if story.happens(0.2):
        story.say(story.chance.choice(("OverlapFlagged", "OverlapResolved")), "HUB", story.moment())


def emergency(story: Story) -> None:
    """Break-glass: complete or not, too long, granted, shortened, denied, ended."""
    chance = story.chance
    for _ in range(chance.choice((0, 1, 2, 2))):
        party, at = story.one_of("PSY", "PHE", "PRI", "KIF", "ADD", "SOC", "CHI", "JOB"), story.moment(30, 300)
        hours = chance.choice((1, 6, 24, 24, 48, 72, 100))
        common = {"requestId": number(chance), "party": party, "grantedBy": None}
        story.prompt = story.happens(0.85)
        if story.happens(0.4):
            story.say("AdmissionStarted", party if role(party) == "PSY" else story.one_of("PSY"), at - 2880 * MINUTE)
        noted = story.say("RiskNoteRecorded", story.one_of("PSY", "PRI", "SOC"), at - 1440 * MINUTE)
        asked = story.say(
            "BreakGlassRequested", party, at, **common, categories=chance.sample(_EMERGENCY, 6),
            expiresAt=chance.choice((at + hours * civil.HOUR,) * 9 + (None,)), reason="OVERDOSE",
            justification="x" * chance.choice((29, 30, 30, 30, 30, 60)),
        )  # fmt: skip
        for end in (hours, min(hours, 24), min(hours, 72)):
            story.emergencies.append(at + end * civil.HOUR)
        at_once = role(party) in ("PSY", "PHE")
        for holder in () if at_once else sorted(({noted.party, *story.some(3, 8)} - {party}) & {*story.speakers}):
            for _ in range(chance.choice((1, 1, 2))):
                answer = "BreakGlassGranted" if story.happens(0.8) else "BreakGlassDenied"
                until = chance.choice((None, None, at + chance.choice((2, 12, 200)) * civil.HOUR))
                when = at + chance.randrange(240) * MINUTE
                of_it = chance.choice((None, None, chance.sample(_EMERGENCY, 5)))
                story.say(answer, holder, when, asked, **common, categories=of_it, expiresAt=until)
        if at_once and story.happens(0.3):
            story.say("BreakGlassDenied", noted.party, at + 10 * MINUTE, asked, **common)
        if story.happens(0.3):
            story.say("BreakGlassEnded", story.one_of("PRI", "SOC", "PSY"), at + 300 * MINUTE, asked, **common)
        story.emergencies.extend([at + 250 * MINUTE, at + min(hours, 40) * civil.HOUR - 1])
        story.emergencies.append(at + 310 * MINUTE)
        story.prompt = False


_EMERGENCY = ("CU", "SU", "MH", "PH", "RI", "NW", "HO", "CF", "OF", "FI")


STRANDS = (
    custody,
    responsibility,
    police_cooperation,
    treatment,
    discharge,
    protection,
    other_board,
    placement,
    concern,
    overlap,
    emergency,
)

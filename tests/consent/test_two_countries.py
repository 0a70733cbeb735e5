"""One registry may name parties of both countries: a case is told to those of its own alone, and by their rules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pytest

from contracts.civil_time import parse_local, zone_of
from contracts.parties import Party
from hub.consent.standing import Standing
from hub.disclosure.settlement import rights_in
from tests.consent.production import Stated, answers, case_of, policy_for

ZONE = zone_of("DK")
"""Both countries have the same civil time."""
DANISH = ("dk.kf.vestre.PRI", "dk.kf.KIF", "dk.kf.PHE", "101.SOC", "101.BEN")
SWEDISH = ("se.kv.kumla.PRI", "se.kv.KIF", "se.kv.PHE", "0180SD.SOC")
PARTIES = frozenset(map(Party, (*DANISH, *SWEDISH)))


def at(text: str) -> int:
    return parse_local(text, ZONE)


def uid(number: int) -> str:
    return f"a0000000-0000-4000-8000-{number:012d}"


def stated(number: int, event_type: str, party: str, time: str, /, **payload: object) -> Stated:
    return Stated(uid(number), event_type, party, at(time), at(time), payload)


def imprisoned(prison: str, municipality: str) -> Stated:
    return stated(
        1, "ImprisonmentStarted", prison, "2025-02-03T09:00",
        custodyId=uid(100), startedAt=at("2025-02-03T09:00"), institution=prison, legalStatus="CONVICTED",
        offenceGroup="VIOLENCE", planDuty=True, homeMunicipality=municipality,
    )  # fmt: skip


def housed(party: str) -> Stated:
    return stated(
        2, "HousingSecured", party, "2025-02-10T09:00",
        housingId=uid(101), kind="SOCIAL_TENANCY", at=at("2025-02-10T09:00"), address="x",
    )  # fmt: skip


def paroled(prison: str) -> Stated:
    return stated(
        3, "ReleasedOnParole", prison, "2025-03-03T09:00",
        custodyId=uid(100), releasedAt=at("2025-03-03T09:00"), supervision=True,
    )  # fmt: skip


def opened(party: str, time: str) -> Stated:
    return stated(4, "CaseOpened", party, time, caseNo="n", at=at(time))


CASES = {
    "DK": [imprisoned("dk.kf.vestre.PRI", "101"), housed("101.SOC"), paroled("dk.kf.vestre.PRI")],
    "SE": [imprisoned("se.kv.kumla.PRI", "0180SD"), housed("0180SD.SOC"), paroled("se.kv.kumla.PRI")],
}


def told(facts: Iterable[Stated], jurisdiction: str, when: str) -> set[str]:
    """Whom the facts are told to, besides who stated them."""
    found = answers(facts, date(1990, 5, 5), jurisdiction, PARTIES, at(when))
    return {party for event_id, party in found if not event_id.startswith(f"{party}/")}


def standing_of(facts: Iterable[Stated], when: str) -> Standing:
    """What the facts make of a Danish case."""
    case = case_of(facts, date(1990, 5, 5), "DK", PARTIES, at(when))
    return rights_in(case, at(when), policy_for("DK", PARTIES)).standing


@pytest.mark.parametrize(
    ("jurisdiction", "when", "to"),
    [
        ("DK", "2025-02-20", {"dk.kf.vestre.PRI", "dk.kf.PHE", "101.SOC", "101.BEN"}),
        ("DK", "2025-03-20", {"dk.kf.KIF", "101.SOC", "101.BEN"}),
        ("SE", "2025-02-20", {"se.kv.PHE"}),
        ("SE", "2025-03-20", {"se.kv.KIF"}),
    ],
)
def test_a_case_is_told_to_the_authorities_of_its_own_country(jurisdiction: str, when: str, to: set[str]) -> None:
    assert told(CASES[jurisdiction], jurisdiction, when) == to


@pytest.mark.parametrize(("jurisdiction", "abroad"), [("DK", "se.kv.KIF"), ("SE", "dk.kf.KIF")])
def test_no_consent_tells_it_abroad_either(jurisdiction: str, abroad: str) -> None:
    start = CASES[jurisdiction][0]
    consent = stated(
        4, "ConsentGiven", start.party, "2025-02-03T10:00",
        consentId=uid(102), version=1, at=at("2025-02-03T10:00"), collectedBy=start.party, collector="c",
        givenBy="SUBJECT", form="WRITTEN", evidenceRef="e", noticeVersion="1", language="en",
        withdrawalExplained=True, capacityConfirmed=True, categories=["CU", "OF"], sources=[start.party],
        recipients=[abroad], purposes=["SUPERVISION"], dataFrom=None, validFrom=at("2025-02-03T10:00"),
    )  # fmt: skip
    assert abroad not in told([start, consent], jurisdiction, "2025-02-20")


def test_what_a_party_from_abroad_states_goes_by_no_duty_of_this_countrys_law() -> None:
    assert told([imprisoned("se.kv.kumla.PRI", "101")], "DK", "2025-02-20") == set()


def test_a_concern_for_a_child_reaches_whom_it_is_addressed_to_wherever_it_comes_from() -> None:
    concern = stated(
        5, "ChildConcernNotified", "se.kv.KIF", "2025-02-03T09:00",
        concernId=uid(103), at=at("2025-02-03T09:00"), to="101.SOC", concern="NEGLECT",
    )  # fmt: skip
    assert told([concern], "DK", "2025-02-20") == {"101.SOC"}


def test_the_probation_of_another_country_does_not_make_this_ones_active() -> None:
    note = stated(6, "KspActivated", "se.kv.KIF", "2025-02-04T09:00", at=at("2025-02-04T09:00"), ground="GANG",
                  necessity="x", radicalisation=False, endsOn=20_300)  # fmt: skip
    assert "dk.kf.KIF" not in told([CASES["DK"][0], note], "DK", "2025-02-20")


def test_a_release_by_a_prison_of_another_country_does_not_make_probation_active() -> None:
    assert "dk.kf.KIF" not in told([CASES["DK"][0], paroled("se.kv.kumla.PRI")], "DK", "2025-03-20")


def test_custody_in_another_country_opens_nothing_here() -> None:
    here = [opened("101.SOC", "2025-02-01T09:00"), housed("101.SOC")]
    assert told([*here, imprisoned("se.kv.kumla.PRI", "101")], "DK", "2025-02-20") == told(here, "DK", "2025-02-20")


def test_custody_in_another_country_does_not_say_who_is_responsible_here() -> None:
    facts = [opened("101.SOC", "2025-02-04T09:00"), imprisoned("se.kv.kumla.PRI", "102")]
    assert standing_of(facts, "2025-02-20").responsible == "101"


def test_a_prison_of_another_country_ends_no_custody_and_lifts_no_restrictions_here() -> None:
    remanded = stated(
        8, "RemandStarted", "dk.kf.vestre.PRI", "2025-02-03T09:00",
        custodyId=uid(100), startedAt=at("2025-02-03T09:00"), institution="i", restrictions=True,
        homeMunicipality="101",
    )  # fmt: skip
    custody = standing_of([remanded, paroled("se.kv.kumla.PRI")], "2025-03-20").custody
    assert (custody.open, custody.restricted) == (True, True)


@pytest.mark.parametrize(
    ("party_id", "country"),
    [
        ("dk.kf.vestre.PRI", "DK"), ("se.kv.KIF", "SE"), ("SE.KIF", "SE"), ("KIF", None), ("A.SOC", None),
        ("101.SOC", None), ("other.unit.PHE", None), ("dk", None),
    ],
)  # fmt: skip
def test_the_country_of_a_party_is_the_first_part_of_its_id(party_id: str, country: str | None) -> None:
    assert Party(party_id).country == country

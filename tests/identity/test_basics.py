"""Rule S12 as data, and the condition under which it opens anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.categories import Category, mask_of
from contracts.failures import BadRuleSet
from hub.identity.basics import KNOWN_BASICS, read_basics_rules
from hub.identity.visibility import sees_something
from hub.store.records import CaseRecord, CitizenEnrolled, Decision, DecisionsRecorded, FactRecorded, Shown

CU, CO = mask_of([Category.CU]), mask_of([Category.CO])


def test_rules_name_authorities_and_give_mentors_and_volunteers_the_name_only() -> None:
    rules = read_basics_rules()
    assert rules.every_receiver == {"pseudonym", "birth_year"}
    full = {role for role, further in rules.further_by_role.items() if further == {"name", "national_id"}}
    assert full == {"PRI", "KIF", "PHE", "SOC", "JOB", "BEN", "ADD", "CHI", "YTH", "PSY"}
    assert {role for role, further in rules.further_by_role.items() if further == {"name"}} == {"MNT", "VOL"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "every_receiver = 'name'",
        "every_receiver = ['address']",
        "every_receiver = []\nmore = 1",
        "every_receiver = []\nfurther_by_role = 1",
        "every_receiver = []\n[further_by_role]\nPRI = ['diagnosis']",
        "every_receiver = [",
    ],
)
def test_rules_that_cannot_be_read_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "identity.toml"
    path.write_text(text)
    with pytest.raises(BadRuleSet, match=r"`identity\.toml`"):
        read_basics_rules(path)


def test_what_is_named_for_nobody_goes_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "identity.toml"
    path.write_text("every_receiver = []")
    rules = read_basics_rules(path)
    assert not rules.every_receiver
    assert not rules.further_by_role
    assert {"pseudonym", "birth_year", "name", "national_id"} == KNOWN_BASICS


def fact(version: int) -> FactRecorded:
    ids = (f"PRI/{version}", "CaseOpened", "PRI", "urn:party:PRI:test")
    return FactRecorded("case:c", version, *ids, 1, 0, 0, 0, None, None, None, b"")


def settled(version: int, *decisions: tuple[int, str, Shown]) -> DecisionsRecorded:
    recorded = tuple(Decision(fact, party, shown, 1) for fact, party, shown in decisions)
    return DecisionsRecorded("case:c", version, 0, "DK-1", "digest", recorded)


ENROLLED = CitizenEnrolled("case:c", 1, 0, 0, "DK")
FACTS = [fact(2), fact(3)]
AGAIN = fact(5)._replace(event_id=FACTS[0].event_id)


@pytest.mark.parametrize(
    ("records", "visible"),
    [
        ([ENROLLED], False),
        ([ENROLLED, settled(3, (2, "A.SOC", (("S1", CU),)))], True),
        ([ENROLLED, settled(3, (2, "PRI", (("S1", CU),)))], False),
        ([ENROLLED, settled(3, (2, "A.SOC", (("OWN", CU),)))], False),
        ([ENROLLED, settled(3, (2, "A.SOC", (("S1", 0),)))], False),
        ([ENROLLED, settled(3, (2, "A.SOC", (("CO", CO),)))], False),
        ([ENROLLED, settled(3, (2, "A.SOC", (("CO", CO),)), (3, "A.SOC", (("S1", CU),)))], True),
        ([ENROLLED, settled(3, (2, "A.SOC", (("S1", CU),))), settled(4, (2, "A.SOC", ()))], False),
        ([ENROLLED, settled(3, (2, "A.SOC", ())), settled(4, (2, "A.SOC", (("S1", CU),)))], True),
        ([settled(4, (2, "A.SOC", (("S1", CU),)), (3, "A.SOC", ())), settled(5, (3, "A.SOC", ()))], True),
        ([settled(4, (2, "A.SOC", (("S1", CU),))), AGAIN, settled(6, (5, "A.SOC", ()))], False),
    ],
)
def test_a_party_sees_something_while_its_newest_decision_on_anothers_fact_says_so(
    records: list[CaseRecord], visible: bool
) -> None:
    assert sees_something([*FACTS, *records], "A.SOC") is visible

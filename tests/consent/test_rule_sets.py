"""A rule set is read whole or not at all, and every name in it must be known."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from contracts.catalogue import catalogue
from contracts.failures import BadRuleSet
from contracts.parties import Party, PartyRegistry
from hub.consent.policy import Policy, load_policy
from hub.consent.rule_reader import RULES_FOLDER, parse_rule_set, read_rule_set
from tests.consent.histories import REGISTRY

DK = (RULES_FOLDER / "DK-1.toml").read_text(encoding="utf-8")


def loaded(text: str) -> Policy:
    return Policy(parse_rule_set(text.encode(), "DK-1.toml"), REGISTRY)


@pytest.mark.parametrize(
    ("found", "instead"),
    [
        ('while = ["in_custody_window"]', 'while = ["moon_is_full"]'),
        ('to_who = "acting_as_social_services"', 'to_who = "friends"'),
        ('since = "custody_start"', 'since = "forever"'),
        ('between = "health_link"', 'between = "chemistry"'),
        ('named_by = "addressee"', 'named_by = "rumour"'),
        ('within = "plan_consent_categories"', 'within = "reason"'),
        ('facts = ["placement_was_running"]', 'facts = ["it_rained"]'),
        ('while = ["address_protected"]', 'while = ["moon_is_full"]'),
        ('named_by = ["notice_recipient"]', 'named_by = ["everyone"]'),
        ('categories = ["CU", "CA"]', 'categories = ["CU", "XX"]'),
        ('to = ["JOB", "BEN"]', 'to = ["JOB", "POLICE"]'),
        ('post_release_window = "P6M"', 'post_release_window = "six months"'),
        ('post_release_window = "P6M"', ""),
        ("adult = 18", "adult = true"),
        ('order = ["S13", ', 'order = ["S13", "S13", '),
        ('order = ["S13", ', "order = ["),
        ('rules = "all"', 'rules = ["S99"]'),
        ('title = "Custody notice"', 'title = "Custody notice"\nurgency = "high"'),
        ('law = "psykiatriloven §§ 13 a-13 c"', ""),
        ('never = ["CF"]', 'never = ["CF"], always = ["CU"]'),
        ('id = "DK-1"', 'id = "DK-1'),
        ('    to_who = "acting_as_social_services"\n', ""),
        ('    while = ["in_custody_window"]\n', ""),
        ('limited_by = ["stated_by", "to"]', 'limited_by = ["stated_by"]'),
        ('limited_by = ["stated_by", "to"]\n', ""),
        ('restrictions = ["N7", ', "restrictions = ["),
        ('title = "No word of custody to private parties during remand restrictions"', 'title = "x"\n[[never]]'),
        ('rules = "all"\nwhile = ["custody_open"]', 'rules = "all"'),
        ('break_glass = ["MH", "PH", "RI"], only_by = "any"', 'break_glass = ["MH", "PH", "RI"]'),
        ('PSY = "MH"\n', ""),
    ],
)
def test_what_is_not_understood_refuses_the_whole_rule_set(found: str, instead: str) -> None:
    assert found in DK
    loaded(DK)
    with pytest.raises(BadRuleSet) as refusal:
        loaded(DK.replace(found, instead))
    assert "`" in str(refusal.value) or "TOML" in str(refusal.value)


def test_the_newest_rule_set_of_a_jurisdiction_is_taken(tmp_path: Path) -> None:
    later = DK.replace('id = "DK-1"', 'id = "DK-2"').replace("in_force_from = 2024-01-01", "in_force_from = 2027-01-01")
    (tmp_path / "DK-1.toml").write_text(DK, encoding="utf-8")
    (tmp_path / "DK-2.toml").write_text(later, encoding="utf-8")
    assert load_policy("DK", REGISTRY, tmp_path).rule_set == "DK-2"
    with pytest.raises(BadRuleSet):
        read_rule_set("NO", tmp_path)


def test_the_digest_is_of_the_text_that_was_read() -> None:
    assert loaded(DK).digest != loaded(DK + "\n# a remark\n").digest
    assert loaded(DK).digest == load_policy("DK", PartyRegistry.of([Party("PRI")])).digest


READERS_ONLY = {"EVA", "GOV", "OPS"}
"""Roles that state nothing: evaluator, steering group, operator."""


@pytest.mark.parametrize("jurisdiction", ["DK", "SE"])
def test_every_event_type_and_role_named_is_in_the_contracts(jurisdiction: str) -> None:
    policy = load_policy(jurisdiction, REGISTRY)
    types = catalogue().event_types
    named = set(policy.gate_types) | set(policy.rules.records)
    for rule in policy.rules.rules:
        for grant in rule.grants:
            named |= grant.events or frozenset()
    assert named <= set(types)
    stating = {role for each in types.values() for role in each.stated_by} - {"any", "HUB"}
    assert stating == set(policy.rules.roles) - READERS_ONLY
    for line in policy.rules.withheld_fields:
        assert all(line.field in types[event].field for event in line.events)


def test_every_childs_reference_is_withheld_from_those_who_do_not_act_for_the_child() -> None:
    policy = load_policy("DK", REGISTRY)
    for event_type in catalogue().event_types.values():
        if "childRef" in event_type.field:
            assert policy.withheld_fields(event_type.name, "KIF") == {"childRef"}
            assert policy.withheld_fields(event_type.name, "A.ADD") == {"childRef"}
            assert policy.withheld_fields(event_type.name, "nobody known") >= {"childRef"}
            assert not policy.withheld_fields(event_type.name, "A.CHI")
            visits = bool(re.match("Visit|Infant", event_type.name))
            assert policy.withheld_fields(event_type.name, "PRI") == (frozenset() if visits else {"childRef"})
    assert not policy.withheld_fields("CaseOpened", "KIF")

"""What differs between two rule sets is told, whole and in words."""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from contracts.categories import Category
from contracts.failures import BadRuleSet
from deploy.command_line import hub
from deploy.rules.differences import differences
from hub.consent.rule_reader import RULES_FOLDER, parse_rule_set
from hub.consent.rule_set import RuleSet

DK = (RULES_FOLDER / "DK-1.toml").read_text(encoding="utf-8")


def changed(*changes: tuple[str, str]) -> RuleSet:
    text = DK
    for found, instead in changes:
        assert found in text, found
        text = text.replace(found, instead, 1)
    return parse_rule_set(text.encode(), "changed.toml")


def told(*changes: tuple[str, str]) -> list[str]:
    return [str(each) for each in differences(changed(), changed(*changes))]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hub, ["rules", "diff", *arguments])


def test_equal_rules_do_not_differ_whatever_their_comments() -> None:
    assert told() == []
    assert told(("# Rule set DK-1:", "# The rule set DK-1:")) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            ('categories = ["CU", "RE", "PL", "HO", "AD", "EM"]', 'categories = ["CU", "RE", "HO", "AD", "EM", "FI"]'),
            [
                "S2 no longer opens PL to acting as social services, of facts by KIF, PRI",
                "S2 newly opens FI to acting as social services, of facts by KIF, PRI",
            ],
        ),
        (('post_release_window = "P6M"', 'post_release_window = "P3M"'), ["post_release_window P6M -> P3M"]),
        (("adult = 18", "adult = 21"), ["adult_years 18 -> 21"]),
        (
            ("break_glass = [\"CU\", \"MH\", \"PH\", \"RI\"]", "break_glass = [\"CU\", \"MH\", \"OF\"]"),
            ["role SOC may now open by break-glass: OF", "role SOC may no longer open by break-glass: PH, RI"],
        ),
        (
            ('never = ["OF", "MH", "CF", "RI"]', 'never = ["MH", "CF", "RI", "AD"]'),
            ["role BEN may now never be shown: AD", "role BEN may be shown again, where something opens it: OF"],
        ),
        (('purpose = "EDUCATION"', 'purpose = "SUPPORT"'), ["role YTH purpose EDUCATION -> SUPPORT"]),
        (
            ('events = ["CarePlacementBreached"]', 'events = ["CarePlacementBreached", "CarePlacementEnded"]'),
            ["newly on CarePlacementEnded"],
        ),
        (
            ('while = ["in_custody_window", "convicted", "plan_duty"]', 'while = ["in_custody_window", "convicted"]'),
            ["while: in_custody_window, convicted, plan_duty -> in_custody_window, convicted"],
        ),
        (
            ('roles = ["MNT", "VOL", "HSG", "FAC"]', 'roles = ["VOL", "HSG", "FAC"]'),
            ["never-rule N7 roles: FAC, HSG, MNT, VOL -> FAC, HSG, VOL"],
        ),
        (
            ('while = ["custody_open"]', 'while = ["in_custody_window"]'),
            ["receive only while custody is open\" while: custody_open -> in_custody_window"],
        ),
        (
            ('oral_never = ["CU", ', 'oral_never = ['),
            ["consent oral_never CU, MH, OF, PH, RE, RI, SU -> MH, OF, PH, RE, RI, SU"],
        ),
        (('ADD = "SU"', 'ADD = "MH"'), ["consent implied ADD SU -> MH"]),
        (("limit_hours = 24", "limit_hours = 48"), ["break_glass limit_hours 24 -> 48"]),
        (
            ('only_to = ["CHI", "SOC", "FAC", "PRI"]', 'only_to = ["CHI", "SOC", "PRI"]'),
            ["N4, field childRef of InfantStayApproved, only to: CHI, FAC, PRI, SOC -> CHI, PRI, SOC"],
        ),
        (
            (
                'events = ["RecipientNotified"]\nnamed_by = ["notice_recipient"]',
                'events = ["RecipientNotified"]\nnamed_by = ["notice_recipient", "parties"]',
            ),
            ["record RecipientNotified goes to: notice_recipient -> notice_recipient, parties"],
        ),
        (('"S10", "S11", "S6"', '"S11", "S10", "S6"'), ["order of the rules S13 S1 S2 S3 S10 S11 S6"]),
        (('title = "Custody notice"', 'title = "Notice"'), ["S1 title: Custody notice -> Notice"]),
        (("in_force_from = 2024-01-01", "in_force_from = 2026-01-01"), ["rule set 2024-01-01 -> 2026-01-01"]),
    ],
)  # fmt: skip
def test_a_difference_is_told_in_words(change: tuple[str, str], words: list[str]) -> None:
    said = told(change)
    assert all(any(word in line for line in said) for word in words), said
    assert len(said) == len(words) or "childRef" in said[0], said


def test_a_receiver_that_falls_away_is_named() -> None:
    (said,) = told(('to = ["JOB", "BEN"]', 'to = ["JOB"]'))
    assert said.startswith("S1 opens CU no longer to BEN in responsible municipality on CarePlacementEnded, ")
    (said,) = told(('stated_by = ["PRI"]\n    to = ["PHE"]', 'stated_by = ["PRI", "KIF"]\n    to = ["PHE"]'))
    assert said == "S13 opens CA, CU newly of facts by KIF"


def test_rules_and_lines_that_come_and_go_are_told_whole() -> None:
    start, end = DK.index('[[rule]]\nid = "S8"'), DK.index('[[rule]]\nid = "S14"')
    rule = DK[start:end]
    gone = [str(each) for each in differences(changed(), changed((rule, ""), ('"S8", ', "")))]
    assert gone == ["S8 is gone: Concern for a child"]
    come = [str(each) for each in differences(changed((rule, ""), ('"S8", ', "")), changed())]
    assert come[0] == "S8 is new: Concern for a child"
    assert come[1].endswith("to anybody, of facts by anybody on ChildConcernNotified, named_by addressee")
    grant = '    [[rule.grant]]\n    limited_by = ["stated_by", "to"]\n    stated_by = ["PRI"]\n'
    line = f'{grant}    to = ["PHE"]\n    categories = ["CU", "CA"]\n'
    assert told((line, "")) == ["S13 no longer opens CA, CU to PHE, of facts by PRI"]


def test_a_role_that_comes_is_told() -> None:
    vol = next(line for line in DK.splitlines() if line.startswith("VOL ="))
    new = vol.replace("VOL", "ARC")
    assert told((vol, f"{vol}\n{new}"), ('VOL = "none"', 'VOL = "none"\nARC = "none"')) == ["role ARC is new"]


# --- nothing is overlooked


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where each list of names and each single value of a TOML document stands."""
    parts: Any = value.items() if isinstance(value, dict) else enumerate(value)
    for key, part in parts:
        if isinstance(part, dict) or (isinstance(part, list) and part and isinstance(part[0], dict)):
            yield from leaves(part, (*path, key))
        else:
            yield (*path, key)


def other(value: Any) -> Iterator[Any]:
    """Other values that could stand in this one's place."""
    if isinstance(value, list):
        yield value[:-1]
        yield from ([*value, more] for more in ("SOC", "AD", "custody_open", "parties", "ImprisonmentEnded"))
    elif isinstance(value, bool | int):
        yield value + 1
    elif isinstance(value, date):
        yield date(2030, 1, 1)
    else:
        yield from ("P7D", "AD" if value != "AD" else "HO", f"{value} indeed")


def parsed(document: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> RuleSet | None:
    # A document is handed in as values: writing it out as TOML again would test a writer.
    monkeypatch.setattr(tomllib, "loads", lambda _: document)
    try:
        return parse_rule_set(b"", "mutated.toml")
    except (BadRuleSet, KeyError):
        return None
    finally:
        monkeypatch.undo()


def test_every_value_of_a_rule_set_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    document, before, tried = tomllib.loads(DK), changed(), 0
    overlooked = []
    for path in leaves(document):
        if path[0] in ("withheld_field", "withheld_kind") and path[-1] == "title":
            continue  # The rule set does not keep it.
        for value in other(at(document, path)):
            mutated = copy.deepcopy(document)
            at(mutated, path[:-1])[path[-1]] = value
            after = parsed(mutated, monkeypatch)
            if after is not None and fields_differ(before, after):
                tried += 1
                overlooked += [] if differences(before, after) else [(path, value)]
    assert overlooked == []
    assert tried > 400


def fields_differ(before: RuleSet, after: RuleSet) -> bool:
    return any(getattr(before, name) != getattr(after, name) for name in vars(before) if name != "digest")


def at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


# --- the command


def test_the_exit_status_is_that_of_diff(tmp_path: Path) -> None:
    same = run("DK", "DK-1")
    assert (same.exit_code, same.output) == (0, "both say the same\n")
    draft = tmp_path / "DK-2.toml"
    draft.write_text(DK.replace('"P6M"', '"P3M"'), encoding="utf-8")
    differing = run("DK-1", str(draft))
    assert (differing.exit_code, differing.output) == (1, "post_release_window P6M -> P3M\n")
    values = run("DK-1", str(draft), "--json")
    assert (values.exit_code, json.loads(values.output)) == (
        1,
        [{"where": "post_release_window", "what": "P6M -> P3M"}],
    )


def test_two_jurisdictions_are_compared_too() -> None:
    said = run("DK", "SE").output.splitlines()
    assert "S1 is gone: Custody notice" in said
    assert any(line.startswith("S7 opens MH, PH, SU to SOC") for line in said)
    assert not re.search(r"\b(frozenset|Side|Period|None)\b", "\n".join(said))
    assert {category.value for category in Category} >= {"MH"}

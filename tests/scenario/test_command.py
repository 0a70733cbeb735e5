"""`hub scenario play` prints every view, counts in its last line, and exits 0 or 1."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from contracts.failures import BadScenario
from deploy.scenario.command import scenario
from tests.scenario.vignettes import CUSTODY, HEADER

VIEWS = "X 2025-02-05 | A.SOC: e1 CU=S1 PL=S2 || A.BEN: e1 CU=S1"
EQUAL = f"# A vignette\n{HEADER}\nE {CUSTODY}\n{VIEWS}\nW why\nI I5_changes=0\n"
PLANTED = EQUAL.replace("PL=S2", "PL=S3")


def played(tmp_path: Path, text: str, *options: str) -> Result:
    file = tmp_path / "vignette.md"
    file.write_text(text)
    return CliRunner().invoke(scenario, ["play", str(file), "--core", *options])


def test_equal_views_exit_0_and_are_printed_with_expected_and_got(tmp_path: Path) -> None:
    result = played(tmp_path, EQUAL)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "V1 A vignette",
        "  2025-02-05 12:00  A.SOC  equal",
        "    expected  e1 CU=S1 PL=S2",
        "    got       e1 CU=S1 PL=S2",
        "  2025-02-05 12:00  A.BEN  equal",
        "    expected  e1 CU=S1",
        "    got       e1 CU=S1",
        "  I5_changes=0  equal",
        "1 of 1 indicator values equal",
        "2 of 2 views equal, 0 differences",
    ]


def test_a_difference_exits_1_and_is_printed(tmp_path: Path) -> None:
    result = played(tmp_path, PLANTED)
    assert result.exit_code == 1
    assert "    differs   e1: expected CU=S1 PL=S3, got CU=S1 PL=S2" in result.output.splitlines()
    assert result.output.splitlines()[-1] == "1 of 2 views equal, 1 differences"


def test_json_holds_the_same(tmp_path: Path) -> None:
    result = played(tmp_path, PLANTED, "--json")
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert (document["equal"], document["views"], document["differences"]) == (1, 2, 1)
    first, second = document["scenarios"][0]["views"]
    assert first["expected"] == {"e1": {"S1": ["CU"], "S3": ["PL"]}}
    assert first["got"] == {"e1": {"S1": ["CU"], "S2": ["PL"]}}
    assert (first["equal"], second["equal"]) == (False, True)


def test_shuffled_orders_are_counted_and_shown_where_they_differ(tmp_path: Path) -> None:
    result = played(tmp_path, PLANTED, "--shuffles", "3")
    lines = result.output.splitlines()
    assert "  3 shuffled orders of arrival: 3 of 6 views equal" in lines
    assert "  2025-02-05 12:00  A.SOC  DIFFERENT  order 2" in lines
    assert lines[-1] == "4 of 8 views equal, 4 differences"


def test_only_plays_the_scenario_named(tmp_path: Path) -> None:
    two = EQUAL + PLANTED.replace("S V1", "S V2")
    assert played(tmp_path, two).output.splitlines()[-1] == "3 of 4 views equal, 1 differences"
    assert played(tmp_path, two, "--only", "V1").exit_code == 0
    assert played(tmp_path, two, "--only", "V2").exit_code == 1


def test_unknown_scenario_and_text_outside_the_grammar_are_failures(tmp_path: Path) -> None:
    for text, options in [(EQUAL, ("--only", "V9")), (EQUAL + "E nonsense\n", ())]:
        result = played(tmp_path, text, *options)
        assert result.exit_code == 1
        assert isinstance(result.exception, BadScenario)


def test_a_refused_scenario_does_not_keep_the_others_from_being_played(tmp_path: Path) -> None:
    broken = [
        EQUAL.replace("S V1", "S V2") + "E nonsense\n",
        EQUAL.replace("S V1", "S V3").replace("planDuty=true", "planDuty=perhaps"),
        EQUAL.replace("S V1", "S V4").replace("I5_changes=0", "I5_changes is nought"),
    ]
    result = played(tmp_path, "".join([broken[0], EQUAL, *broken[1:]]))
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line.partition("  REFUSED  ")[0] for line in lines if "REFUSED" in line] == ["V2", "V3", "V4"]
    assert "V2  REFUSED  line 7: event `nonsense`" in result.output
    assert lines[-1] == "2 of 2 views equal, 3 differences"
    assert played(tmp_path, EQUAL + broken[0], "--only", "V1").exit_code == 0
    assert isinstance(played(tmp_path, EQUAL + broken[0], "--only", "V2").exception, BadScenario)
    document = json.loads(played(tmp_path, EQUAL + broken[0], "--json").output)
    assert [each["id"] for each in document["refused"]] == ["V2"]
    assert document["differences"] == 1


def test_shuffles_without_core_are_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(scenario, ["play", str(tmp_path / "any.md"), "--shuffles", "2"])
    assert result.exit_code == 2
    assert "--shuffles needs --core" in result.output


def test_no_progress_bar_where_there_is_no_terminal(tmp_path: Path) -> None:
    assert played(tmp_path, EQUAL).stderr == ""


def test_reasons_are_read_but_not_printed(tmp_path: Path) -> None:
    assert "why" not in played(tmp_path, EQUAL).output


def test_an_indicator_value_that_differs_exits_1_and_leaves_the_last_line_to_the_views(tmp_path: Path) -> None:
    result = played(tmp_path, EQUAL.replace("I5_changes=0", "I5_changes=1 I5_gapDays=0 I99=3"))
    assert result.exit_code == 1
    assert result.output.splitlines()[-5:] == [
        "  I5_changes  DIFFERENT  expected 1, got 0",
        "  I5_gapDays=0  equal",
        "  I99  DIFFERENT  expected 3, got unknown name",
        "1 of 3 indicator values equal",
        "2 of 2 views equal, 0 differences",
    ]


def test_json_holds_the_indicator_values(tmp_path: Path) -> None:
    document = json.loads(played(tmp_path, EQUAL, "--json").output)
    assert (document["indicators_equal"], document["indicators"]) == (1, 1)
    assert document["scenarios"][0]["indicators"] == [
        {"name": "I5_changes", "expected": "0", "got": "0", "equal": True}
    ]


def test_an_indicator_line_of_another_form_is_refused(tmp_path: Path) -> None:
    result = played(tmp_path, EQUAL.replace("I5_changes=0", "I5_changes is nought"))
    assert isinstance(result.exception, BadScenario)
    assert "expected `NAME=VALUE`" in str(result.exception)

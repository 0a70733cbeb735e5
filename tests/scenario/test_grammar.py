"""The grammar reads what is in it, and refuses everything else with its line and what was expected."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.categories import Category, mask_of
from contracts.civil_time import parse_local, zone_of
from contracts.failures import BadScenario
from deploy.scenario.comparison import text_of_view
from deploy.scenario.grammar import parse_scenarios, read_scenarios
from tests.scenario.vignettes import CUSTODY, HEADER, all_files, good_release, vignette

DK = zone_of("DK")


def refused(*lines: str) -> str:
    with pytest.raises(BadScenario) as refusal:
        vignette(*lines)
    return str(refusal.value)


def test_header_gives_citizen_and_health_parties() -> None:
    (scenario,) = parse_scenarios("S SC8 SE born=1991-03-08 health=[ADD,B.ADD] | Färingsö: woman | with child")
    assert (scenario.id, scenario.jurisdiction, scenario.born) == ("SC8", "SE", date(1991, 3, 8))
    assert scenario.health == {"ADD", "B.ADD"}
    assert scenario.title == "Färingsö: woman | with child"


def test_event_keeps_fields_as_written_and_both_clocks() -> None:
    scenario = vignette(f"E {CUSTODY} ;; e2 2025-02-04T09:00:30 A.SOC CaseOpened() rec=2025-02-06T08:00")
    first, second = scenario.events
    assert first.fields["custodyId"] == "c1"
    assert first.recorded_at == first.occurred_at == parse_local("2025-02-03T09:00", DK)
    assert second.occurred_at == parse_local("2025-02-04T09:00:30", DK)
    assert second.recorded_at == parse_local("2025-02-06T08:00", DK)


def test_lists_are_lists_and_an_empty_list_is_one() -> None:
    scenario = vignette("E e1 2025-02-03T09:00 A.SOC MotivationTalkHeld(topics=[HOUSING,SUBSTANCE] project=x items=[])")
    assert scenario.events[0].fields == {"topics": ("HOUSING", "SUBSTANCE"), "project": "x", "items": ()}


def test_plain_date_of_an_expectation_means_noon() -> None:
    scenario = vignette(f"E {CUSTODY}", "X 2025-02-05 | A.SOC: e1 CU=S1 PL+RE=S2 || A.BEN: nothing")
    (expectation,) = scenario.expectations
    assert expectation.at == parse_local("2025-02-05T12:00", DK)
    assert expectation.views == {
        "A.SOC": {"e1": {"S1": mask_of(["CU"]), "S2": mask_of(["PL", "RE"])}},
        "A.BEN": {},
    }


def test_local_time_in_the_gap_of_summer_time_moves_forward() -> None:
    scenario = vignette("E e1 2025-03-30T02:30 A.SOC CaseOpened()")
    assert scenario.events[0].occurred_at == parse_local("2025-03-30T03:30", DK)


def test_only_lines_of_the_grammar_count_so_markdown_can_be_played() -> None:
    text = f"# Scenarios\nSome prose. See below.\n```\n{HEADER}\nE {CUSTODY}\n```\n\n- S is a letter\nEnd.\n"
    (scenario,) = parse_scenarios(text)
    assert [event.id for event in scenario.events] == ["e1"]
    assert scenario.line == 4
    assert scenario.events[0].line == 5


def test_every_file_of_the_project_is_in_the_grammar() -> None:
    scenarios = [scenario for path in all_files() for scenario in read_scenarios(path)]
    assert len(scenarios) == 22
    assert sum(scenario.view_count for scenario in scenarios) == 206
    assert all(scenario.why for scenario in scenarios)


def test_written_views_read_back_as_they_were() -> None:
    scenario = good_release()
    order = list(scenario.event)
    for expectation in scenario.expectations:
        for party, view in expectation.views.items():
            (again,) = parse_scenarios(
                "\n".join(
                    [HEADER.replace("V1", scenario.id)]
                    + [f"E {event.id} 2025-01-01T00:00 {event.party} T()" for event in scenario.events]
                    + [f"X 2025-01-25 | {party}: {text_of_view(view, order)}"]
                )
            )
            assert again.expectations[0].views[party] == view


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("E e1 2025-02-03 PRI T()", "expected local time as `2025-01-25T09:00`"),
        ("E e1 2025-02-30T09:00 PRI T()", "no such day or hour"),
        ("E e1 2025-02-03T24:10 PRI T()", "no such day or hour"),
        ("E e1 2025-02-03T09:00+01:00 PRI T()", "expected local time"),
        ("E e1 0001-01-01T00:00 PRI T()", "years 1900 to 2199"),
        ("E e1 2025-02-03T09:00 PRI T", "expected `<id> <time> <party>"),
        ("E e1 2025-02-03T09:00 PRI T(a=b))", "expected `<id> <time> <party>"),
        ("E e1 2025-02-03T09:00 PRI T(a=b) ;;", "`;;` behind an event"),
        ("E e1 2025-02-03T09:00 PRI T(a=b);;e2 2025-02-03T09:00 PRI T()", "expected `<id> <time> <party>"),
        ("E 1e 2025-02-03T09:00 PRI T()", "expected a letter"),
        ("E e1 2025-02-03T09:00 P/RI T()", "expected an id such as"),
        ("E e1 2025-02-03T09:00 PRI T(a)", "expected `<field>=<value>`"),
        ("E e1 2025-02-03T09:00 PRI T(a=b  c=d)", "expected `<field>=<value>`"),
        ("E e1 2025-02-03T09:00 PRI T(a=b a=c)", "stands twice"),
        ("E e1 2025-02-03T09:00 PRI T(a=)", "expected one word"),
        ("E e1 2025-02-03T09:00 PRI T(a=b=c)", "expected one word"),
        ("E e1 2025-02-03T09:00 PRI T(a=[b)", "expected `[a,b]` without spaces"),
        ("E e1 2025-02-03T09:00 PRI T(a=[b,])", "expected one word"),
        ("E e1 2025-02-03T09:00 PRI T(a=[[b],c])", "expected one word, or a flat list"),
        ("E e1 2025-02-03T09:00 PRI T() when=now", "expected `rec=<time>` or `corrects=<id>`"),
        ("E e1 2025-02-03T09:00 PRI T() rec=2025-02-03T09:00 rec=2025-02-03T09:00", "each once"),
        ("E e1 2025-02-03T09:00 PRI T() rec=2025-02-03T08:59", "recorded before it occurred"),
        ("E e1 2025-02-03T09:00 PRI T() ;; e1 2025-02-03T09:00 PRI T()", "already stands on line 2"),
        ("E e1 2025-02-03T09:00 PRI T() corrects=e9", "expected another event"),
        ("E e1 2025-02-03T09:00 PRI T() corrects=e1", "expected another event"),
        ("E e1 2025-02-03T09:00 PRI T() ;; e2 2025-02-03T09:00 KIF T() corrects=e1", "same party"),
        ("E e1 2025-02-03T09:00 PRI T() ;; e2 2025-02-03T09:00 PRI U() corrects=e1", "same type"),
        ("E e2 2025-02-03T09:00 PRI T() corrects=e1 ;; e1 2025-02-04T09:00 PRI T()", "recorded before `e1`"),
        ("X 2025-02-05 A.SOC: nothing", "expected `X <time> |"),
        ("X 2025-02-05T | A.SOC: nothing", "or a plain date"),
        ("X 2025-02-05 | A.SOC nothing", "expected `<party>: <events>`"),
        ("X 2025-02-05 | A.SOC: nothing || A.SOC: nothing", "stands twice"),
        ("X 2025-02-05 | A.SOC: e1", "without categories"),
        ("X 2025-02-05 | A.SOC: e1 CU", "expected `CAT[+CAT]=<basis>`"),
        ("X 2025-02-05 | A.SOC: e1 XX=S1", "expected `CAT[+CAT]=<basis>`"),
        ("X 2025-02-05 | A.SOC: e1 CU=OWN", "the basis being"),
        ("X 2025-02-05 | A.SOC: e1 CU+CU=S1", "list each once"),
        ("X 2025-02-05 | A.SOC: e1 CU=S1 CU=S2", "list each once"),
        ("X 2025-02-05 | A.SOC: e1 CU=S1, e1 PL=S2", "stands twice"),
        ("X 2025-02-05 | A.SOC: e7 CU=S1", "expected an id of an `E` event"),
        (f"E {CUSTODY}\nX 2025-02-05 | PRI: e1 CU=S1", "own events are not listed"),
        ("S V2 NO born=1990-05-05 health=[] | title", "expected one of DK, SE"),
        ("S V2 DK born=1990-02-30 health=[] | title", "expected a calendar date"),
        ("S V2 DK born=1990-05-05 health=PHE | title", "`S` line of another form"),
        ("S V2 DK born=1990-05-05 | title", "`S` line of another form"),
        (HEADER, "already stands on line 1"),
    ],
)
def test_anything_outside_the_grammar_is_refused_with_its_line(line: str, expected: str) -> None:
    message = refused(line)
    assert expected in message
    assert message.startswith("line ")


def test_refusal_names_the_right_line() -> None:
    assert refused("W fine", f"E {CUSTODY}", "E nonsense").startswith("line 4: ")


def test_line_before_any_header_is_refused() -> None:
    with pytest.raises(BadScenario, match="line 1: a `E` line before any `S` line"):
        parse_scenarios(f"E {CUSTODY}\n{HEADER}")


def test_text_without_a_scenario_is_refused() -> None:
    with pytest.raises(BadScenario, match="no scenario found"):
        parse_scenarios("# nothing here\n")


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scenario.md"
    path.write_bytes(b"S \xff\xfe")
    with pytest.raises(BadScenario, match="expected UTF-8 text"):
        read_scenarios(path)
    with pytest.raises(BadScenario, match="cannot be read"):
        read_scenarios(tmp_path / "absent.md")


def test_a_very_long_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(BadScenario, match="split the file"):
        parse_scenarios("x" * 4_000_001)


def test_a_message_does_not_repeat_a_very_long_line() -> None:
    assert len(refused("E " + "x" * 100_000)) < 400


@given(st.text(alphabet="SEXWI e1=[](),;|:+-\nTABOC203kd.", max_size=200))
def test_no_text_gives_any_other_error(noise: str) -> None:
    try:
        parse_scenarios(f"{HEADER}\nE {CUSTODY}\n{noise}")
    except BadScenario as refusal:
        assert "line " in str(refusal)


@given(
    st.dictionaries(
        st.sampled_from(["e1", "e2", "e3"]),
        st.sets(st.sampled_from(sorted(Category)), min_size=1, max_size=6).flatmap(
            lambda chosen: st.just({"S1": mask_of(chosen)})
        ),
        max_size=3,
    )
)
def test_any_view_written_is_read_back(view: dict[str, dict[str, int]]) -> None:
    events = [f"E e{n} 2025-01-01T00:00 PRI T()" for n in (1, 2, 3)]
    scenario = vignette(*events, f"X 2025-01-25 | A.SOC: {text_of_view(view, ['e1', 'e2', 'e3'])}")
    assert scenario.expectations[0].views == {"A.SOC": view}

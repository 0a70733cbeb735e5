"""The matrix equals table 4.3 cell by cell, and no decision ever opens what it does not say."""

from __future__ import annotations

import csv
import io
from functools import lru_cache
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.categories import Category, categories_of
from contracts.failures import BadRuleSet
from contracts.parties import role_of_id
from deploy.command_line import hub
from deploy.rules.tables import events_lines
from hub.consent.decision import Decider
from hub.consent.matrix import ADULT, BOTH_AGES, MINOR, Cell, MatrixReader
from hub.consent.rule_reader import RULES_FOLDER, parse_rule_set, read_rule_set
from tests.consent.histories import PARTIES, histories, moments
from tests.consent.test_properties import POLICIES
from tests.rules.expected_table import ROLES, TABLE, as_table_reads, expected, text_leads

READERS_ONLY = {"EVA", "GOV", "OPS"}
"""Roles that table 4.3 does not have: they state nothing (N2, N3)."""
in_each_jurisdiction = pytest.mark.parametrize("jurisdiction", ["DK", "SE"])


@lru_cache(maxsize=2)
def reader(jurisdiction: str) -> MatrixReader:
    return MatrixReader(read_rule_set(jurisdiction))


def marks(cell: Cell) -> set[str]:
    found = {entry.rule.removeprefix("S") + ("<18" if entry.ages == {MINOR} else "") for entry in cell.rules}
    found |= {"C"} if cell.consent else set()
    found |= {"B"} if cell.break_glass else set()
    return found | ({"N"} if cell.never else set())


def output(*arguments: str) -> str:
    result = CliRunner().invoke(hub, ["rules", "matrix", *arguments])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


# --- table 4.3


@in_each_jurisdiction
def test_every_cell_is_that_of_table_4_3(jurisdiction: str) -> None:
    matrix, cells = reader(jurisdiction).summary(), expected(jurisdiction)
    assert cells.keys() == {(role, category) for role in ROLES for category in TABLE}
    assert len(cells) == 14 * 15
    assert {role for _, role in matrix} == set(ROLES) | READERS_ONLY
    found = {place: marks(matrix[Category(place[1]), place[0]]) for place in cells}
    assert {place: (found[place], cell) for place, cell in cells.items() if found[place] != cell} == {}


@in_each_jurisdiction
def test_what_the_text_adds_to_the_table_is_really_not_in_it(jurisdiction: str) -> None:
    cells = as_table_reads(jurisdiction)
    added = [(place, mark) for marks_ in text_leads(jurisdiction).values() for place, mark in marks_.items()]
    assert len(added) == len(set(added)) > 0
    assert [each for each in added if each[1] in cells[each[0]]] == []


@pytest.mark.parametrize(
    ("jurisdiction", "receivers"),
    [
        ("DK", {"11": {"PRI", "KIF", "PHE", "SOC", "JOB", "ADD", "YTH", "PSY", "CHI"}, "13": {"PRI", "KIF", "PHE"}}),
        ("SE", {"13": {"PRI", "KIF", "PHE"}}),
    ],
)
def test_case_administration_goes_by_the_text_of_its_rules(jurisdiction: str, receivers: dict[str, set[str]]) -> None:
    matrix = reader(jurisdiction).summary()
    for role in ROLES:
        assert marks(matrix[Category.CA, role]) == {"C"} | {rule for rule, roles in receivers.items() if role in roles}


@in_each_jurisdiction
def test_records_on_consents_are_opened_by_nothing_that_the_matrix_shows(jurisdiction: str) -> None:
    matrix = reader(jurisdiction).summary()
    assert {matrix[Category.CO, role] for role in ROLES} == {Cell()}


@in_each_jurisdiction
def test_never_rules_of_the_case_stand_where_they_close(jurisdiction: str) -> None:
    closed = {
        (category.value, role, never)
        for (category, role), cell in reader(jurisdiction).summary().items()
        for never in cell.closed_by
    }
    assert closed == {("CU", role, "N7") for role in ("MNT", "VOL", "HSG", "FAC")} | {
        ("AD", role, "N8") for role in ROLES
    }


@in_each_jurisdiction
def test_who_states_nothing_is_opened_nothing_but_the_evaluation_of_a_cohort(jurisdiction: str) -> None:
    matrix, never = reader(jurisdiction).summary(), {"OF", "RI", "NW", "CF", "AD"}
    for (category, role), cell in matrix.items():
        if role in READERS_ONLY and category is not Category.CO:
            if role == "EVA":
                assert marks(cell) == ({"N"} if category.value in never else {"E1"})
            else:
                assert marks(cell) == {"N"}


def test_ages_are_those_of_the_text() -> None:
    matrix = reader("DK").summary()
    ages = {
        (role, category.value, entry.rule): entry.ages
        for (category, role), cell in matrix.items()
        for entry in cell.rules
    }
    assert ages["SOC", "CU", "S1"] == ages["JOB", "CU", "S1"] == ages["BEN", "CU", "S1"] == {ADULT}
    assert ages["CHI", "CU", "S1"] == ages["CHI", "FI", "S10"] == {MINOR}
    assert ages["SOC", "HO", "S10"] == {ADULT}
    assert ages["CHI", "HO", "S10"] == ages["JOB", "FI", "S10"] == ages["SOC", "OF", "S3"] == BOTH_AGES
    swedish = reader("SE").summary()
    assert {entry.ages for entry in swedish[Category.MH, "SOC"].rules} == {frozenset({ADULT})}


def test_whoever_coordinates_is_told_apart() -> None:
    municipal = {"SOC", "JOB", "BEN", "ADD", "HSG", "CHI", "YTH"}
    assert reader("DK").for_coordinators() == {"S1": municipal, "S2": municipal}
    assert reader("SE").for_coordinators() == {}


# --- by event


def test_an_event_has_its_single_event_rules_and_its_own_publishers_alone() -> None:
    breached = reader("DK").of_event(catalogue().event_types["CarePlacementBreached"])
    assert "14" in marks(breached[Category.RI, "KIF"])
    assert "14" in marks(breached[Category.SU, "SOC"])
    kept_open = reader("DK").of_event(catalogue().event_types["CaseKeptOpen"])
    assert "1" in marks(kept_open[Category.CA, "PRI"])
    # Housing is stated by the municipality alone: S13, which holds between PRI and KIF, opens none of it.
    housing = reader("DK").of_event(catalogue().event_types["HousingSecured"])
    assert marks(housing[Category.HO, "PRI"]) == {"2", "3", "C"}
    assert marks(housing[Category.HO, "BEN"]) == {"10", "C"}
    assert {category.value for category, _ in housing} == {"HO", "AD"}


def test_an_anchor_that_is_never_shown_closes_the_whole_event() -> None:
    treatment = catalogue().event_types["TreatmentStarted"]
    cells = reader("DK").of_event(treatment)
    # HSG may be shown custody and finance, but never substance use, the anchor.
    assert {marks_ for category in (Category.CU, Category.FI) for marks_ in marks(cells[category, "HSG"])} == {"N"}
    assert "C" in marks(cells[Category.CU, "JOB"])


def test_items_cut_by_domain_hold_every_category_of_a_domain() -> None:
    plan = reader("DK").of_event(catalogue().event_types["SentencePlanAgreed"])
    assert {"HO", "FI", "SU", "MH", "RI", "RE"} <= {category.value for category, _ in plan}


@pytest.mark.parametrize("name", ["ConsentGiven", "AnonymousOutreachCounted", "ShardTicked"])
def test_what_goes_by_no_rule_has_no_cells(name: str) -> None:
    assert reader("DK").of_event(catalogue().event_types[name]) == {}


# --- against the decision itself


@in_each_jurisdiction
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=st.data(), at=moments)
def test_no_decision_opens_what_the_matrix_does_not_say(jurisdiction: str, data: st.DataObject, at: int) -> None:
    history, policy = data.draw(histories(jurisdiction)), POLICIES[jurisdiction]
    standing = history.standing(at, policy)
    decider, age = Decider(policy, standing), ADULT if standing.adult else MINOR
    coordinating = reader(jurisdiction).for_coordinators()
    for outline in history.outlines(at):
        matrix = matrix_of(jurisdiction, outline.event_type)
        if not matrix:
            continue
        for party in PARTIES:
            if party == outline.party:
                continue
            for basis, mask in decider.shown(outline, party):
                role = role_of_id(party)
                for category in categories_of(mask):
                    cell = matrix[category, role]
                    by_rule = {entry.rule for entry in cell.rules if age in entry.ages}
                    if party == standing.coordinator:
                        by_rule |= {rule for rule, roles in coordinating.items() if role in roles}
                    allowed = by_rule | ({"C:i1", "C:i2"} if cell.consent else set())
                    allowed |= {"BG"} if cell.break_glass else set()
                    assert basis in allowed, (outline.event_type, outline.party, party, category)


@lru_cache(maxsize=400)
def matrix_of(jurisdiction: str, event_type: str) -> dict[tuple[Category, str], Cell]:
    return dict(reader(jurisdiction).of_event(catalogue().event_types[event_type]))


def test_a_line_that_no_tried_case_reaches_is_refused_not_left_out() -> None:
    text = (RULES_FOLDER / "DK-1.toml").read_text(encoding="utf-8")
    found = 'while = ["in_custody_window", "citizen_adult"]'
    assert found in text
    both = parse_rule_set(text.replace(found, 'while = ["citizen_adult", "citizen_minor"]').encode(), "DK-1.toml")
    with pytest.raises(BadRuleSet, match=r"rule `S1`: a line joins nobody"):
        MatrixReader(both)


# --- as people read it


def test_the_table_says_all_cells_and_explains_them() -> None:
    lines = output("DK").splitlines()
    assert lines[0].startswith("DK-1: ")
    heads, custody = lines[2].split(), lines[4]
    assert heads == list(reader("DK").rules.roles)
    starts = [lines[2].index(f" {head}") + 1 for head in heads]
    cells = [custody[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)]
    assert dict(zip(heads, cells, strict=True)) | {"SOC": "1 2 C B", "CHI": "1<18 2<18 C", "VOL": "C (N7)"} == dict(
        zip(heads, cells, strict=True)
    )
    assert "S10   One municipality is one authority: " in output("DK")
    assert "for citizens of age alone: S1 to SOC, JOB, BEN" in lines
    assert any("S1 on CaseKeptOpen; see --by-event" in line for line in lines)


@pytest.mark.parametrize("arguments", [("DK", "--csv"), ("SE", "--csv"), ("DK", "--csv", "--by-event")])
def test_csv_holds_a_cell_for_every_role(arguments: tuple[str, ...]) -> None:
    rows = list(csv.DictReader(io.StringIO(output(*arguments))))
    assert len(rows) >= len(Category)
    assert all(row[role] is not None and None not in row for row in rows for role in ROLES)
    by_category = {row["category"]: row for row in rows}
    if arguments == ("DK", "--csv"):
        assert list(by_category) == [category.value for category in Category]
        assert by_category["CU"]["SOC"] == "S1>=18 S2>=18 C B"
        assert by_category["CF"]["JOB"] == "N"


def test_by_event_shows_every_event_that_can_be_disclosed() -> None:
    text = output("--by-event")
    events = {each.name for each in catalogue().event_types.values() if not each.control and each.anchor != "never"}
    heads = {line.split()[0] for line in text.splitlines() if line[:1].isupper() and "  by " in line}
    assert heads == events
    assert "N4: childRef to CHI FAC SOC only" in text
    named = next(line for line in text.splitlines() if line.startswith("RecipientNotified"))
    assert "goes to: the notice is addressed to the party" in named
    rows = list(csv.DictReader(io.StringIO(output("--by-event", "--csv"))))
    assert {row["event"] for row in rows} == events
    assert {row["category"] for row in rows if row["event"] == "HousingSecured"} == {"AD", "HO"}


def test_a_draft_has_a_matrix_before_it_is_in_force(tmp_path: Path) -> None:
    draft = tmp_path / "draft.toml"
    text = (RULES_FOLDER / "DK-1.toml").read_text(encoding="utf-8")
    draft.write_text(text.replace('id = "DK-1"', 'id = "DK-2"').replace('never = ["RI"]', 'never = ["RI", "NW"]'))
    rows = {row["category"]: row for row in csv.DictReader(io.StringIO(output(str(draft), "--csv")))}
    assert rows["NW"]["YTH"] == "N"


@pytest.mark.parametrize("name", ["DK-99", "NO", "no/such/file.toml"])
def test_a_rule_set_that_is_none_is_refused_with_the_known_ones(name: str) -> None:
    result = CliRunner().invoke(hub, ["rules", "matrix", name])
    assert isinstance(result.exception, BadRuleSet)
    assert "DK-1, SE-1" in str(result.exception)


def test_an_event_of_which_a_list_is_withheld_from_a_role_says_so() -> None:
    lines = events_lines(MatrixReader(read_rule_set("DK")), catalogue())
    heads = {line.split("  ")[0]: line for line in lines}
    with_items = [each.name for each in catalogue().event_types.values() if "items" in each.field]
    assert len(with_items) >= 10
    for name in with_items:
        assert "items" in POLICIES["DK"].withheld_fields(name, "EVA")
        assert "N3: no field with something of kind string to EVA" in heads[name]

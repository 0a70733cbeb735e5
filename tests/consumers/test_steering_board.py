"""The steering group's board: the newest month of figures that it has come to, in words, and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from consumers.board_rendering import Changes, board_values
from consumers.wording import LANGUAGES, wording
from contracts.catalogue import catalogue
from contracts.civil_time import day_number
from hub.continuity.costs import AFTER_RELEASE, IN_CUSTODY, NOT_COVERED
from hub.continuity.figures import DID_NOT_GO_ON, NOT_STATED, RUNNING, WENT_ON, Counting
from hub.continuity.measures import SPREADS, band_labels
from hub.continuity.terms import terms
from tests.consumers.test_board import DAY, ZONE, board, filled


def test_the_steering_group_reads_the_newest_month_that_its_board_has_come_to(tmp_path: Path) -> None:
    with filled(tmp_path / "s.db", "GOV") as store:
        months = {
            day: {(cell["table"], cell["count"]) for cell in board(store, day).figures if cell["row"] == "ALCOHOL"}
            for day in (DAY, day_number(date(2025, 9, 30)), day_number(date(2025, 8, 31)))
        }
        assert board(store).citizens is None
        assert board(store).lists == ()
        values = board_values(board(store), "GOV", Changes(0, {}, 0), ZONE)
    assert list(months.values()) == [{("TREATMENTS", 8)}, {("TREATMENTS", 90)}, set()]
    assert [one["median"] for one in values["figures"] if one["column"] == "MEDIAN"] == ["6.00"]
    assert "citizens" in values
    assert values["citizens"] is None
    assert "lists" not in values


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_table_row_and_measure_of_figures_has_a_word(language: str) -> None:
    words, lists = wording(language), catalogue().code_lists
    codes = {symbol for name in ("Funding", "TargetGroup", "Setting", "Domain") for symbol in lists[name].symbols}
    codes |= {*SPREADS, *band_labels(terms()), *(label for labels in band_labels(terms()).values() for label in labels)}
    codes |= {"COMPLETED", "INTERRUPTED", "TRANSFERRED", "EXTENDED", "CONVERTED", "LAPSED", "PRESUMED_LAPSED"}
    codes |= {RUNNING, NOT_STATED, WENT_ON, DID_NOT_GO_ON, NOT_COVERED, IN_CUSTODY, AFTER_RELEASE, "PERSONS", "MEDIAN"}
    assert codes - words.sections["figures"].keys() - words.sections["codes"].keys() <= {"OTHER"}
    tables = {*(table.name for table in Counting().tables(5)), "ANONYMOUS_CONTACTS", "BARRIERS", "INDICATORS"}
    assert set(words.sections["tables"]) == tables

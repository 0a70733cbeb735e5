"""Each planted defect in rules and gates is noticed by a check, and no check complains of the code as it is."""

from __future__ import annotations

import pytest

from tests.safety.checks import all_checks
from tests.safety.defects import DEFECTS, Defect, planted

CHECKS = {check.name: check for check in all_checks()}


def caught_by(defect: Defect) -> str | None:
    """The first check that notices: the likely one, then all others."""
    order = sorted(CHECKS, key=lambda name: name != defect.likely)
    with planted(defect):
        return next((name for name in order if CHECKS[name].differs()), None)


def test_no_check_complains_of_the_code_as_it_is() -> None:
    assert [check.name for check in CHECKS.values() if check.differs()] == []
    assert len(CHECKS) >= 4 * 40


def test_there_are_thirty_defects_of_different_names() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS) >= 30
    assert {defect.likely for defect in DEFECTS} <= set(CHECKS)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_planted_defect_is_caught(defect: Defect) -> None:
    check = caught_by(defect)
    assert check is not None, f"nothing noticed: {defect.name}"
    assert check == defect.likely, f"`{check}` noticed `{defect.name}`: name it as the likely one"
    assert not CHECKS[check].differs(), "the defect was not taken out again"

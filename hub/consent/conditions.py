"""The named conditions that a rule set may refer to: on the case (`while`) and on the fact (`facts`, `since`).

Rules:
- Each is one small function under the name that the rule set uses; the tables at the foot are the whole vocabulary.
- A condition reads the standing (and, for `facts`, the outline) and nothing else. Its sentence says, in words that
  fit "requires that ...", what it asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from contracts.fact import Outline

if TYPE_CHECKING:
    from hub.consent.standing import Standing

Condition = Callable[["Standing"], bool]
FactCondition = Callable[["Standing", Outline], bool]
Since = Callable[["Standing"], int | None]


def custody_open(standing: Standing) -> bool:
    """the citizen is in custody"""
    return standing.custody.open


def in_custody_window(standing: Standing) -> bool:
    """the citizen is in custody or was released within the period after release"""
    return standing.custody.window_start is not None


def convicted(standing: Standing) -> bool:
    """the custody episode is one of conviction"""
    return standing.custody.convicted


def plan_duty(standing: Standing) -> bool:
    """there is a duty to make a plan"""
    return standing.custody.plan_duty


def remand_restrictions(standing: Standing) -> bool:
    """remand restrictions are in force"""
    return standing.custody.restricted


def probation_active(standing: Standing) -> bool:
    """probation has become active"""
    return standing.probation_active


def ksp_in_force(standing: Standing) -> bool:
    """a cooperation on persons at risk is activated and has not ended"""
    return standing.risk_cooperation.in_force


def convicted_or_radicalisation(standing: Standing) -> bool:
    """the custody episode is one of conviction, or the cooperation rests on radicalisation"""
    return standing.custody.convicted or standing.risk_cooperation.radicalisation


def citizen_adult(standing: Standing) -> bool:
    """the citizen is of age"""
    return standing.adult


def citizen_minor(standing: Standing) -> bool:
    """the citizen is under age"""
    return not standing.adult


def vulnerable(standing: Standing) -> bool:
    """misuse is ongoing or an involuntary admission is open"""
    return standing.health.vulnerable


def address_protected(standing: Standing) -> bool:
    """the citizen's address is protected"""
    return standing.address_protected


def placement_was_running(standing: Standing, outline: Outline) -> bool:
    """the placement was running when this happened"""
    placements = standing.placements_by_id.get(outline.references.get("placementId"), ())
    return any(placement.ran_at(outline.occurred_at) for placement in placements)


def custody_start(standing: Standing) -> int | None:
    """it happened in the current or most recent custody episode"""
    return standing.custody.window_start


CONDITIONS: Final[Mapping[str, Condition]] = {
    condition.__name__: condition
    for condition in (
        custody_open,
        in_custody_window,
        convicted,
        plan_duty,
        remand_restrictions,
        probation_active,
        ksp_in_force,
        convicted_or_radicalisation,
        citizen_adult,
        citizen_minor,
        vulnerable,
        address_protected,
    )
}
FACT_CONDITIONS: Final[Mapping[str, FactCondition]] = {"placement_was_running": placement_was_running}
SINCE: Final[Mapping[str, Since]] = {"custody_start": custody_start}


def sentence(named: Callable[..., object]) -> str:
    """Return what a named condition or relation asks for, in the words of its own docstring."""
    return (named.__doc__ or named.__name__).strip()

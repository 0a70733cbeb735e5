"""Which view a party gets: by its role, as `by_role.toml` says; a role without one gets the summary."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from consumers.views import (
    addiction,
    benefit,
    child_family,
    cohort,
    housing,
    job,
    placement,
    prison,
    prison_health,
    probation,
    psychiatry,
    social,
    steering,
    summary,
    support,
    youth_guidance,
)
from consumers.views.base import View, reminded, standing
from contracts.parties import Party

_OF_AGENCIES: Final = (
    prison,
    prison_health,
    probation,
    placement,
    social,
    job,
    benefit,
    addiction,
    child_family,
    housing,
    youth_guidance,
    psychiatry,
    support,
)
_OF_NOBODY_REMINDED: Final = (cohort, steering, summary)

VIEWS: Final[Mapping[str, View]] = {
    view.name: view
    for view in (
        *(reminded(standing(module.VIEW)) for module in _OF_AGENCIES),
        *(standing(module.VIEW) for module in _OF_NOBODY_REMINDED),
    )
}
"""The views by name. Evaluators, the steering group and roles without a view of their own are reminded of nothing."""


@cache
def view_names() -> Mapping[str, str]:
    """The name of the view of each role that has one."""
    return tomllib.loads(Path(__file__).with_name("by_role.toml").read_text(encoding="utf-8"))


def view_of(party_id: str) -> View:
    """The view of a party."""
    return VIEWS[view_names().get(Party(party_id).role, summary.VIEW.name)]

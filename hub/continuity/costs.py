"""Who bears the cost of a treatment that rests on an agreement: the agreement's cost rule, applied as data.

Rules:
- A rule says for custody and for the time after release which funding is borne by whom (`contracts/rules/costs.toml`).
- `HOST` is the municipality of the party that treats, `HOME` the one responsible for the citizen when it happened.
- An agreement without a rule, a rule that is not known, or a funding of which it says nothing: `NOT_COVERED`.

Pure but for reading the file once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from contracts.catalogue import catalogue
from contracts.fact import Fact
from contracts.failures import BadRuleSet
from contracts.parties import Party
from hub.continuity.case import KnownCase

COSTS_FILE: Final = Path(__file__).resolve().parents[2] / "contracts" / "rules" / "costs.toml"
NOT_COVERED: Final = "NOT_COVERED"
IN_CUSTODY: Final = "IN_CUSTODY"
AFTER_RELEASE: Final = "AFTER_RELEASE"
HOST: Final = "HOST"
HOME: Final = "HOME"
_UNKNOWN: Final = "?"


@dataclass(frozen=True)
class CostRule:
    """One cost rule: funding -> who bears it, while in custody and after release."""

    title: str
    in_custody: Mapping[str, str]
    after_release: Mapping[str, str]


@lru_cache(maxsize=1)
def cost_rules() -> Mapping[str, CostRule]:
    """Return the cost rules that come with this program, by code."""
    return read_cost_rules(COSTS_FILE)


def read_cost_rules(path: Path) -> Mapping[str, CostRule]:
    """Return the cost rules of a file; raise `BadRuleSet` on anything that is missing or unknown."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadRuleSet(f"`{path.name}` cannot be read: {error}") from error
    rules = document.pop("cost_rule", None)
    if document or not isinstance(rules, dict) or not rules:
        raise BadRuleSet(f"`{path.name}`: expected `[cost_rule.<CODE>]` tables and nothing else")
    return {code: _rule(path, code, written) for code, written in rules.items()}


def _rule(path: Path, code: str, written: Any) -> CostRule:
    if not isinstance(written, dict) or written.keys() != {"title", "in_custody", "after_release"}:
        raise BadRuleSet(f"`{path.name}`, `{code}`: expected `title`, `in_custody` and `after_release`")
    fundings = set(catalogue().code_lists["Funding"].symbols)
    for phase in ("in_custody", "after_release"):
        table = written[phase]
        if not isinstance(table, dict) or not set(table) <= fundings:
            raise BadRuleSet(f"`{path.name}`, `{code}`, `{phase}`: expected fundings, each one of {sorted(fundings)}")
        if not all(isinstance(bearer, str) and bearer for bearer in table.values()):
            raise BadRuleSet(f"`{path.name}`, `{code}`, `{phase}`: expected a name of who bears it")
    return CostRule(str(written["title"]), dict(written["in_custody"]), dict(written["after_release"]))


def phase_of(in_custody: bool) -> str:
    """The column of a treatment that happened in custody, or not."""
    return IN_CUSTODY if in_custody else AFTER_RELEASE


def bearer_of(case: KnownCase, treatment: Fact, rule_code: str | None, phase: str) -> str:
    """Return who bears `treatment`: a municipality, or a fund or authority by its name."""
    rule = cost_rules().get(rule_code or "")
    if rule is None:
        return NOT_COVERED
    table = rule.in_custody if phase == IN_CUSTODY else rule.after_release
    bearer = table.get(str(treatment.payload.get("funding")), NOT_COVERED)
    if bearer == HOST:
        return Party(treatment.party).municipality or _UNKNOWN
    if bearer == HOME:
        return case.responsible_at(case.happened(treatment)) or _UNKNOWN
    return bearer

"""The basics of a citizen that a party may learn: rule S12, as data.

Rules:
- Which role gets what stands in `contracts/rules/identity.toml`; what is named there for nobody goes to nobody.
- A basic that a party may not have is `None`, exactly as one that the hub does not know.

Source: domain specification, 4.3 (S12). Used by `hub.identity.enrolment`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import contracts
from contracts.failures import BadRuleSet
from hub.identity.vault import Citizen

RULES_PATH: Final = Path(contracts.__file__).with_name("rules") / "identity.toml"
KNOWN_BASICS: Final = frozenset({"pseudonym", "birth_year", "name", "national_id"})


@dataclass(frozen=True, slots=True)
class Basics:
    """What a party learns of a citizen. Name and national id are left out of every text form."""

    pseudonym: str | None
    birth_year: int | None
    name: str | None = field(repr=False)
    national_id: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class BasicsRules:
    """Rule S12: what every receiver gets, and what a role gets beside it."""

    every_receiver: frozenset[str]
    further_by_role: Mapping[str, frozenset[str]]

    def cut(self, citizen: Citizen, key: str, role: str) -> Basics:
        """Return what a party in `role`, whose pseudonym for `citizen` is `key`, may learn."""
        allowed = self.every_receiver | self.further_by_role.get(role, frozenset())
        return Basics(
            key if "pseudonym" in allowed else None,
            citizen.birth_date.year if "birth_year" in allowed else None,
            citizen.name if "name" in allowed else None,
            citizen.national_id if "national_id" in allowed else None,
        )


def read_basics_rules(path: Path = RULES_PATH) -> BasicsRules:
    """Read rule S12; raise `BadRuleSet` on anything that it does not know."""
    try:
        document = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadRuleSet(f"`{path.name}` cannot be read: {error}; restore it from the contracts") from error
    if unknown := sorted(set(document) - {"every_receiver", "further_by_role"}):
        raise BadRuleSet(f"`{path.name}`: unknown `{unknown[0]}`: expected `every_receiver` and `[further_by_role]`")
    further = document.get("further_by_role", {})
    if not isinstance(further, dict):
        raise BadRuleSet(f"`{path.name}`: `further_by_role` is no table: write one list of basics per role")
    return BasicsRules(
        _basics(path, "every_receiver", document.get("every_receiver")),
        {role: _basics(path, role, written) for role, written in further.items()},
    )


def _basics(path: Path, where: str, written: object) -> frozenset[str]:
    if not isinstance(written, list) or not KNOWN_BASICS.issuperset(map(str, written)):
        known = ", ".join(sorted(KNOWN_BASICS))
        raise BadRuleSet(f"`{path.name}`, `{where}`: expected a list of basics, each one of {known}")
    return frozenset(written)

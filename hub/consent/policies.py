"""Every rule set of every jurisdiction, and which of them is in force at a moment.

Rules:
- A rule set is in force from 00:00 local of its first day until the next one of its jurisdiction begins. The oldest
  one also holds for all time before it.
- No two of one jurisdiction begin on the same day.
- All of them are joined with one party registry. `digest` names both: where it differs from the one that a shard
  last adopted, every case is settled anew.

From `contracts/rules/` (or a folder of the operator's); read by the shard and by explanations.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from contracts.civil_time import ZONE_OF_JURISDICTION, resolve
from contracts.failures import BadRuleSet
from contracts.parties import PartyRegistry
from hub.consent.policy import Policy
from hub.consent.rule_reader import RULES_FOLDER, parse_rule_set, read_rule_sets


class Policies:
    """The policies of a hub, by jurisdiction and time."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._of: dict[str, list[tuple[int, Policy]]] = {}
        for policy in policies:
            self._of.setdefault(policy.rules.jurisdiction, []).append((_start(policy), policy))
        for jurisdiction, dated in self._of.items():
            dated.sort(key=lambda pair: pair[0])
            for (start, one), (next_start, other) in pairwise(dated):
                if start == next_start:
                    raise BadRuleSet(
                        f"rule sets `{one.rule_set}` and `{other.rule_set}` of `{jurisdiction}` begin on one day: "
                        "give one of them another `in_force_from`"
                    )
        digest = hashlib.sha256()
        for policy in self:
            digest.update(f"{policy.rule_set}\n{policy.digest}\n{policy.registry.digest}\n".encode())
        self.digest = digest.hexdigest()
        self.jurisdictions = tuple(sorted(self._of))

    @classmethod
    def load(cls, registry: PartyRegistry, folder: Path = RULES_FOLDER) -> Policies:
        """Read every rule set in `folder`; raise `BadRuleSet` where a jurisdiction has none or one is bad."""
        return cls(
            Policy(rule_set, registry)
            for jurisdiction in ZONE_OF_JURISDICTION
            for rule_set in read_rule_sets(jurisdiction, folder)
        )

    @classmethod
    def of_texts(cls, rule_sets: Iterable[bytes], registry: bytes) -> Policies:
        """Make again what was in force, from the texts of it; raise `BadRuleSet` where one is not understood."""
        parties = PartyRegistry.of_cited_text(registry)
        return cls(Policy(parse_rule_set(text, "as it was kept"), parties) for text in rule_sets)

    @property
    def registry(self) -> PartyRegistry:
        """The one party registry of all of them."""
        return next(iter(self)).registry

    def __contains__(self, jurisdiction: str) -> bool:
        return jurisdiction in self._of

    def __iter__(self) -> Iterator[Policy]:
        return (policy for jurisdiction in sorted(self._of) for _, policy in self._of[jurisdiction])

    def in_force(self, jurisdiction: str, at: int) -> Policy:
        """Return the policy in force at `at` (milliseconds); raise `KeyError` for an unknown jurisdiction."""
        dated = self._of[jurisdiction]
        return dated[max(0, self._begun(dated, at) - 1)][1]

    def next_start(self, jurisdiction: str, at: int) -> int | None:
        """Return when the next rule set after `at` comes into force, `None` where none is known."""
        dated = self._of[jurisdiction]
        # The oldest begins nothing: it holds for the time before it too.
        begun = max(1, self._begun(dated, at))
        return dated[begun][0] if begun < len(dated) else None

    @staticmethod
    def _begun(dated: list[tuple[int, Policy]], at: int) -> int:
        return bisect_right(dated, at, key=lambda pair: pair[0])


def _start(policy: Policy) -> int:
    return resolve(datetime.combine(policy.rules.in_force_from, datetime.min.time()), policy.zone)

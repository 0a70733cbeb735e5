"""Which consents stand on a case, and whom they name: for the gate, at a cost that does not grow with the case.

Folded with the facts of a case by `timeline`; asked for each statement about a consent.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from contracts.event_types import CITIZEN
from contracts.fact import Fact
from contracts.parties import role_of_id

GIVEN: Final = "ConsentGiven"
AMENDED: Final = "ConsentAmended"
SCOPED: Final = frozenset({GIVEN, AMENDED})


@dataclass(slots=True)
class KnownConsents:
    """`given`: consent id -> how many live records give it. `named`: (consent id, party) -> how many name the party."""

    given: Counter[str] = field(default_factory=Counter)
    named: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, fact: Fact, by: int) -> None:
        """Take in that a fact is live (`by` 1), or is no more (-1)."""
        if fact.event_type not in SCOPED:
            return
        payload = fact.payload
        consent_id = payload["consentId"]
        if fact.event_type == GIVEN:
            self.given[consent_id] += by
        for party in {fact.party, payload["collectedBy"], *payload["sources"], *payload["recipients"]}:
            self.named[consent_id, party] += by

    def are_known_to(self, consent_id: str, party: str) -> bool:
        """Whether the consent is given, and `party` collected or stated it, was ever named in it, or is the citizen."""
        is_known = self.named[consent_id, party] > 0 or role_of_id(party) == CITIZEN
        return is_known and self.given[consent_id] > 0

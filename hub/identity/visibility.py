"""Whether a party sees something of a case: the condition of rule S12, read from the case's own decisions.

Rules:
- The newest decision on a fact counts, as the hub last settled it.
- A party's own facts do not count: stating something about a citizen opens nobody's name.
- Nor do consent and governance records: anyone can name any party in a request for consent, and a refusal or an order
  to remove must not be what opens the name.

The records come from the shard's store; asked through the function that `Identity.basics_of` is handed. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from hub.store.records import CaseRecord, DecisionsRecorded, FactRecorded

NOT_COUNTED: Final = frozenset({"OWN", "CO"})
"""The bases on which a party is shown its own facts, and the consent and governance records that name it."""


def sees_something(records: Iterable[CaseRecord], party: str) -> bool:
    """Return whether by `records` (a case's, in version order) `party` sees a field of another's fact."""
    shown_of_fact: dict[str, bool] = {}
    event_at: dict[int, str] = {}
    for record in records:
        if isinstance(record, FactRecorded):
            # A fact that comes again in a merge stands at another version: it is one fact all the same.
            event_at[record.originator_version] = record.event_id
        elif isinstance(record, DecisionsRecorded):
            for decision in record.decisions:
                if decision.party == party:
                    event_id = event_at[decision.fact_version]
                    shown_of_fact[event_id] = any(mask and basis not in NOT_COUNTED for basis, mask in decision.shown)
    return any(shown_of_fact.values())

"""What each principal of the hub may state on the hub's own input: a key binds what is said to who says it.

Rules:
- A principal states what the table gives it and nothing else; one that is not there states nothing. So a worker's key
  in other hands registers no key of a party, and what it could say ends when it is replaced.
- The facts that the hub states are the operator's; in a played world it moves the clock besides.
- What a case forwards in a merge is a fact, whoever stated it, and never a control record (`hub.arrival.forwarded`).

Pure. It holds wherever the hub's principals are known (`hub.arrival.keyring`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from contracts.event_types import EventType
from contracts.failures import Refused
from contracts.reasons import Reason

TICKER: Final = "ticker"
MERGES: Final = "merges"
IDENTITY: Final = "identity"
OPERATOR: Final = "operator"

CONTROL_RECORDS: Final[Mapping[str, frozenset[str]]] = {
    TICKER: frozenset({"ShardTicked"}),
    MERGES: frozenset(
        {
            "MergeOpened",
            "MergeCompleted",
            "MergeUndone",
            "MergeReturned",
            "MergeRemoved",
            "MergeRemovalDelivered",
            "WithdrawalDelivered",
        }
    ),
    IDENTITY: frozenset({"CitizenEnrolled", "KeyIssued", "CaseMerged", "CaseUnlinked"}),
    OPERATOR: frozenset(
        {
            "SigningKeyRegistered",
            "SigningKeyRotated",
            "SigningKeyRevoked",
            "ParkedRetried",
            "ResyncRequested",
            "ShardTicked",
        }
    ),
}
"""Principal -> the control records that it may state."""


def check_principal(principal: str, event_type: EventType) -> None:
    """Raise `Refused` where `principal` of the hub may not state `event_type`."""
    states_facts = principal == OPERATOR
    if event_type.name in CONTROL_RECORDS.get(principal, ()) or (states_facts and not event_type.control):
        return
    raise Refused(
        Reason.MAY_NOT_STATE, "ce_source", f"let `{principal_of(event_type)}` of the hub state `{event_type.name}`"
    )


def principal_of(event_type: EventType) -> str:
    """Who of the hub states an event of that type; the operator where nobody else does."""
    return next((each for each, names in CONTROL_RECORDS.items() if event_type.name in names), OPERATOR)

"""What has arrived in a batch and was read, and what the store knew of it: from one step of admission to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from contracts.failures import Refused
from contracts.parties import Party
from hub.arrival.forwarded import Forwarded
from hub.arrival.gate import Statement
from hub.arrival.keyring import Keyring
from hub.broker.ports import InputRecord


class Arrived(NamedTuple):
    """One record with what the gate read from it, or why it was refused; `keyring`: the keys as they stood then.

    `parked_at`: where it is a retry, when the record was first parked.
    """

    record: InputRecord
    party: Party
    recorded_at: int
    statement: Statement | None
    key: str
    refused: Refused | None
    forwarded: Forwarded | None = None
    keyring: Keyring = Keyring()
    parked_at: int | None = None


@dataclass(frozen=True, slots=True)
class Lookups:
    """What the store knew of a batch's keys and event ids, and what the batch has added since."""

    cases: dict[tuple[str, str], str]
    digests: dict[str, bytes]

"""The sequence for a receiver that lost something: a gap, the marks of a resync, and what is told between them.

Rules: as of `deploy.conformance.receiving`. Everything that the wire page says of marks is met once: the one behind a
gap, at which all that is held goes, one more before it is completed, and those that say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final

from contracts.topics import HUB_PARTY
from deploy.conformance.receiving import (
    AFTER_GAP,
    AT,
    CUSTODY,
    HOUR_MS,
    HOUSING,
    Report,
    ReportedGap,
    Sequence,
)

MARK: Final = "ResyncNotified"
BEGUN: Final = "BEGUN"
COMPLETED: Final = "COMPLETED"
FORMER: Final = "the former"
LATTER: Final = "the latter"
NOT_TOLD_ANEW: Final = "the first housing: it was not told anew, so it went with everything else at the mark"
TOLD_ANEW: Final = "the imprisonment: told anew after the mark, with what may be seen now"
BEFORE_MARK: Final = "the housing between the gap and the mark: nothing before the mark is applied"
MEANWHILE: Final = "the housing stated between the marks: a second mark without a gap before it removes nothing"
TAKEN_BACK: Final = "the temporary place: told anew, and retracted before the resync was completed"
KEPT: Final = "the housing of the other citizen: there is no gap before the marks of its partition"
A_MARK: Final = "a mark of a resync: it is no event of the view"


class ResyncSequence(Sequence):
    """The records for a receiver that asked for a resync."""

    def tell(self) -> None:
        """See `Sequence.tell`."""
        first, second = self.first_key, self.second_key
        self._send(first, HOUSING, "A.SOC", "housing", 1, {"kind": "OWN_TENANCY", "at": AT, "address": "Nygade 1"})
        self._send(first, CUSTODY, "PRI", "custody", 2, {"startedAt": AT, "homeMunicipality": "A"})
        self._skip(first)
        for kind in ("SHELTER_110", "OWN_TENANCY"):
            self._send(first, HOUSING, "A.SOC", "before the mark", 3, {"kind": kind, "at": AT})
        self._mark(first, BEGUN, FORMER)
        self._send(first, CUSTODY, "PRI", "custody", 2, {"startedAt": AT})
        self._send(first, HOUSING, "A.SOC", "meanwhile", 4, {"kind": "SOCIAL_TENANCY", "at": AT + HOUR_MS})
        self._mark(first, BEGUN, LATTER)
        self._send(first, HOUSING, "A.SOC", "taken back", 3, {"kind": "TEMPORARY_107", "at": AT})
        self._send(first, HOUSING, "A.SOC", "taken back", 3, None)
        self._mark(first, COMPLETED, LATTER)
        self._send(second, HOUSING, "A.SOC", "other", 1, {"kind": "SHELTER_110", "at": AT})
        self._mark(second, COMPLETED, FORMER)
        self._mark(second, BEGUN, LATTER)
        self._mark(second, COMPLETED, LATTER)
        self._skip(second)
        self._send(second, CUSTODY, "PRI", "after", 2, {"startedAt": AT})

    def expected(self) -> Report:
        """See `Sequence.expected`."""
        partition = self._place(self.second_key)
        last = 16 if partition == self._place(self.first_key) else 4
        custody = {"occurredAt": AT + 2 * HOUR_MS, "startedAt": AT}
        meanwhile = {"occurredAt": AT + 4 * HOUR_MS, "kind": "SOCIAL_TENANCY", "at": AT + HOUR_MS}
        other = {"occurredAt": AT + HOUR_MS, "kind": "SHELTER_110", "at": AT}
        return Report(
            events=[
                self._shown(CUSTODY, "PRI", "custody", self.first_key, custody),
                self._shown(HOUSING, "A.SOC", "meanwhile", self.first_key, meanwhile),
                self._shown(HOUSING, "A.SOC", "other", self.second_key, other),
            ],
            gaps=[ReportedGap(partition=partition, last_number=last, came=last + 2)],
        )

    def why(self) -> Mapping[str, str]:
        """See `Sequence.why`."""
        reasons = {
            "housing": NOT_TOLD_ANEW,
            "custody": TOLD_ANEW,
            "before the mark": BEFORE_MARK,
            "meanwhile": MEANWHILE,
            "taken back": TAKEN_BACK,
            "other": KEPT,
            "after": AFTER_GAP,
        }
        marks = product(
            (BEGUN, COMPLETED), (FORMER, LATTER), {self._place(key) for key in (self.first_key, self.second_key)}
        )
        reasons |= {_mark_name(*mark): A_MARK for mark in marks}
        return {self._id(name): reason for name, reason in reasons.items()}

    def _mark(self, beside: str, state: str, request: str) -> None:
        """A mark on the partition of the key `beside`: under a key that is about no citizen."""
        partition = self._place(beside)
        fields = {"recipient": self._party, "at": AT, "state": state, "requestId": self._id(f"request {request}")}
        self._send(self._key("marks", partition), MARK, HUB_PARTY, _mark_name(state, request, partition), 0, fields)


def _mark_name(state: str, request: str, partition: int) -> str:
    return f"{state} of {request} on {partition}"

"""A sequence for a receiver, with everything in it that the wire page warns of, and the view that must come out.

Rules:
- The sequence is fixed: the same party and number of partitions give the same records, byte for byte.
- The records are signed as the hub signs, one alone and the others together: in a world with that hub's own key, else
  with `TEST_KEY`, which is no secret.
- What must come out is written down beside it by hand, not folded by the code that it tests.
- A report names what is visible, and where reading stopped; both are compared whole. Absent and null are the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.catalogue import catalogue
from contracts.cloudevents import DisclosureAttributes, Effect, disclosed_headers, parse_time
from contracts.codec import codec
from contracts.failures import InvalidFact, Refused
from contracts.partitioning import partition_of
from contracts.phrases import lower_first
from contracts.schema_ids import schema_ids
from contracts.signatures import SigningKey
from contracts.signed_together import proof_headers
from contracts.topics import Names
from hub.broker.ports import InputRecord
from hub.broker.signature_process import proofs_of

AT: Final = 1_767_225_600_000
"""2026-01-01T00:00Z, of which all times in the sequence are counted in hours."""
HOUR_MS: Final = 3_600_000
_NAMESPACE: Final = uuid.UUID("8f1d4a52-6c0e-4d3b-9a53-1e6f2c7b9d10")
TEST_KEY: Final = SigningKey(bytes(range(32)))
"""The key of the wire page's example, for a sequence that no hub sends: no hub is told to trust it."""
HOUSING: Final = "HousingSecured"
CUSTODY: Final = "ImprisonmentStarted"
NEVER_SENT: Final = "CaseOpened"

TAKEN_BACK: Final = "the first housing: it was corrected, and then retracted"
REPLACED: Final = "the temporary place: a later `disclosed` replaces the earlier one whole; its address is gone"
REPEATED: Final = "the imprisonment: its number came again after its retraction, and a known number is dropped"
CORRECTED: Final = "the second housing: it corrects the first and stands in its place"
UNKNOWN: Final = "a retraction of what never came: nothing to do"
OTHER_CITIZEN: Final = "the housing of the other citizen, before the gap"
AFTER_GAP: Final = "the imprisonment after the gap: a number is missing before it, so reading stops"


class ReportedEvent(BaseModel):
    """One event that a receiver shows: who stated it, its `ce_id`, its `ce_type`, the receiver's key, its fields."""

    model_config = ConfigDict(extra="forbid")

    party: str
    id: str
    type: str
    key: str
    fields: dict[str, Any]


class ReportedGap(BaseModel):
    """Where a receiver stopped: the number that it still had, and the one that came."""

    model_config = ConfigDict(extra="forbid")

    partition: int
    last_number: int
    came: int


class Report(BaseModel):
    """What a receiver made of the sequence."""

    model_config = ConfigDict(extra="forbid")

    events: list[ReportedEvent]
    gaps: list[ReportedGap]


class Sequence:
    """The records for `party` on a topic of `partitions` partitions, in the order in which they are sent."""

    def __init__(self, party: str, names: Names, partitions: int, signing_key: SigningKey = TEST_KEY) -> None:
        self._signing_key = signing_key
        self._party, self._topic, self._partitions = party, names.output(party), partitions
        self._records: list[InputRecord] = []
        self._numbers: dict[int, int] = {}
        self.first_key, self.second_key = self._key("first", 0), self._key("second", partitions - 1)

    def records(self) -> list[InputRecord]:
        """The sequence."""
        self._records, self._numbers = [], {}
        self.tell()
        return self._signed()

    def tell(self) -> None:
        """Make the records, one after the other."""
        first, second = self.first_key, self.second_key
        address = {"kind": "OWN_TENANCY", "at": AT, "address": "Nygade 1"}
        housing = self._send(first, HOUSING, "A.SOC", "housing", 1, address)
        self._again(housing)
        custody = self._send(first, CUSTODY, "PRI", "custody", 2, {"startedAt": AT, "homeMunicipality": "A"})
        place = {"kind": "TEMPORARY_107", "at": AT}
        self._send(first, HOUSING, "A.SOC", "narrowed", 5, place | {"address": "Nygade 2"})
        self._send(first, HOUSING, "A.SOC", "narrowed", 5, place)
        moved = {"kind": "SOCIAL_TENANCY", "at": AT + HOUR_MS}
        self._send(first, HOUSING, "A.SOC", "moved", 3, moved, corrects="housing")
        self._send(first, HOUSING, "A.SOC", "housing", 1, None)
        self._send(first, CUSTODY, "PRI", "custody", 2, None)
        self._again(custody)
        self._send(first, NEVER_SENT, "A.SOC", "never sent", 4, None)
        self._send(second, HOUSING, "A.SOC", "other", 1, {"kind": "SHELTER_110", "at": AT})
        self._skip(second)
        self._send(second, CUSTODY, "PRI", "after", 2, {"startedAt": AT})

    def expected(self) -> Report:
        """What a receiver shows at the end, and where it stands."""
        partition = self._place(self.second_key)
        last = self._numbers_before_gap(partition)
        moved = {"occurredAt": AT + 3 * HOUR_MS, "kind": "SOCIAL_TENANCY", "at": AT + HOUR_MS}
        place = {"occurredAt": AT + 5 * HOUR_MS, "kind": "TEMPORARY_107", "at": AT}
        other = {"occurredAt": AT + HOUR_MS, "kind": "SHELTER_110", "at": AT}
        return Report(
            events=[
                self._shown(HOUSING, "A.SOC", "moved", self.first_key, moved),
                self._shown(HOUSING, "A.SOC", "narrowed", self.first_key, place),
                self._shown(HOUSING, "A.SOC", "other", self.second_key, other),
            ],
            gaps=[ReportedGap(partition=partition, last_number=last, came=last + 2)],
        )

    def why(self) -> Mapping[str, str]:
        """What each event of the sequence is there for, by its `ce_id`."""
        reasons = {
            "housing": TAKEN_BACK,
            "narrowed": REPLACED,
            "custody": REPEATED,
            "moved": CORRECTED,
            "never sent": UNKNOWN,
            "other": OTHER_CITIZEN,
            "after": AFTER_GAP,
        }
        return {self._id(name): reason for name, reason in reasons.items()}

    def _numbers_before_gap(self, partition: int) -> int:
        first = self._place(self.first_key)
        return 9 if partition == first else 1

    def _send(
        self,
        key: str,
        event_type: str,
        stated_by: str,
        name: str,
        hour: int,
        fields: Mapping[str, Any] | None,
        corrects: str | None = None,
    ) -> InputRecord:
        partition = self._place(key)
        number = self._numbers[partition] = self._numbers.get(partition, 0) + 1
        effect: Effect = "retracted" if fields is None else "disclosed"
        attributes = DisclosureAttributes(
            self._id(name),
            stated_by,
            catalogue().event_types[event_type].ce_type,
            AT + hour * HOUR_MS,
            number,
            effect,
            self._id(f"decision {partition} {number}"),
            self._id(corrects) if corrects else None,
        )
        value = None
        if fields is not None:
            payload = {"occurredAt": AT + hour * HOUR_MS, **fields}
            value = codec().encode(schema_ids().disclosed(event_type), payload)
        offset, headers = len(self._records), disclosed_headers(attributes)
        record = InputRecord(self._topic, partition, offset, AT + offset, key.encode(), value, headers)
        self._records.append(record)
        return record

    def _signed(self) -> list[InputRecord]:
        """The records as the hub may sign them: the first one alone, the others together."""
        said = [(one.topic, one.key, one.headers, one.value) for one in self._records]
        proofs = [*proofs_of(said[:1], self._signing_key), *proofs_of(said[1:], self._signing_key)]
        return [
            one._replace(headers=[*one.headers, *proof_headers(self._signing_key.id, proof)])
            for one, proof in zip(self._records, proofs, strict=True)
        ]

    def _again(self, record: InputRecord) -> None:
        self._records.append(record._replace(offset=len(self._records), timestamp=AT + len(self._records)))

    def _skip(self, key: str) -> None:
        self._numbers[self._place(key)] += 1

    def _shown(self, event_type: str, party: str, name: str, key: str, fields: dict[str, Any]) -> ReportedEvent:
        ce_type = catalogue().event_types[event_type].ce_type
        return ReportedEvent(party=party, id=self._id(name), type=ce_type, key=key, fields=fields)

    def _id(self, name: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self._party} {name}"))

    def _place(self, key: str) -> int:
        return partition_of(key.encode(), self._partitions)

    def _key(self, name: str, partition: int) -> str:
        tries = (str(uuid.uuid5(_NAMESPACE, f"{self._party} {name} {number}")) for number in range(1_000_000))
        return next(key for key in tries if self._place(key) == partition)


def read_report(text: str) -> Report:
    """Read a receiver's report; raise `InvalidFact` naming what is at fault in it."""
    try:
        return Report.model_validate_json(text)
    except ValidationError as invalid:
        fault = invalid.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "report"
        raise InvalidFact(where, lower_first(fault["msg"]), "see WIRE.md, conformance") from None


def differences(expected: Report, reported: Report, why: Mapping[str, str]) -> list[str]:
    """What is missing, too much or other in `reported`, each in one line that says what it was there for."""
    wanted, shown = _by_id(expected.events), _by_id(reported.events)
    lines = [f"twice: event `{event.id}`" for event in reported.events if reported.events.count(event) > 1]
    lines += [f"missing: event `{one[1]}` ({why.get(one[1], '')})" for one in wanted.keys() - shown.keys()]
    lines += [
        f"too much: event `{one[1]}` ({why.get(one[1], 'it is not of this sequence')})"
        for one in shown.keys() - wanted.keys()
    ]
    for one in wanted.keys() & shown.keys():
        lines += [f"other: event `{one[1]}`, {said} ({why[one[1]]})" for said in _unlike(wanted[one], shown[one])]
    stood = {gap.partition: (gap.last_number, gap.came) for gap in reported.gaps}
    must = {gap.partition: (gap.last_number, gap.came) for gap in expected.gaps}
    lines += [
        f"gap: partition {partition}, expected to stop after number {must[partition][0]} at {must[partition][1]}, "
        f"reported {stood.get(partition, 'none')}"
        for partition in must
        if stood.get(partition) != must[partition]
    ]
    lines += [f"gap: partition {partition} has none" for partition in stood.keys() - must.keys()]
    return sorted(set(lines))


def _by_id(events: Iterable[ReportedEvent]) -> dict[tuple[str, str], ReportedEvent]:
    return {(event.party, event.id): event for event in events}


def _unlike(wanted: ReportedEvent, shown: ReportedEvent) -> Iterable[str]:
    for name in ("type", "key"):
        if getattr(wanted, name) != getattr(shown, name):
            yield f"`{name}` is `{getattr(shown, name)}`, expected `{getattr(wanted, name)}`"
    for name in sorted(wanted.fields.keys() | shown.fields.keys()):
        expected, reported = wanted.fields.get(name), _wire_value(wanted.fields.get(name), shown.fields.get(name))
        if expected != reported:
            yield f"field `{name}` is `{reported}`, expected `{expected}`"


def _wire_value(expected: object, reported: object) -> object:
    """A time may be reported as RFC 3339 where milliseconds are expected."""
    if isinstance(expected, int) and isinstance(reported, str):
        try:
            return parse_time(reported)
        except Refused:
            return reported
    return reported

"""The disposable cache row of a case: what an event that changes no right needs, without reading the timeline.

Rules:
- Never a source of truth. A row written by other code or under other rules is thrown away, and so is one
  after whose version a correction or retraction was stored: the case is then folded from its records.
- Facts are kept as their Avro bytes, so a row holds nothing that the timeline does not.

Written when a case leaves the cache, in the batch's own transaction; the store encrypts it under the case's key.
"""

from __future__ import annotations

from typing import Any

from contracts.codec import RecordCodec
from contracts.fact import Fact
from hub.case_timeline.bases import Settled
from hub.case_timeline.timeline import RETRACTION, CaseTimeline, Death, Reader
from hub.store.records import CitizenEnrolled, FactRecorded, MergeStepped, case_stream

_FACT = {
    "type": "record",
    "name": "GateFact",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "event_type", "type": "string"},
        {"name": "party", "type": "string"},
        {"name": "occurred_at", "type": "long"},
        {"name": "recorded_at", "type": "long"},
        {"name": "corrects", "type": ["null", "string"]},
        {"name": "schema_id", "type": "int"},
        {"name": "body", "type": "bytes"},
    ],
}
_DEATH = {
    "type": "record",
    "name": "DeadFact",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "how", "type": "string"},
        {"name": "at", "type": "long"},
    ],
}
_ROW = RecordCodec(
    {
        "type": "record",
        "name": "CaseCacheRow",
        "fields": [
            {"name": "code", "type": "string"},
            {"name": "version", "type": "long"},
            {"name": "enrolled_at", "type": "long"},
            {"name": "birth_date", "type": "int"},
            {"name": "jurisdiction", "type": "string"},
            {"name": "settled_at", "type": "long"},
            {"name": "settled_version", "type": "long"},
            {"name": "dead", "type": {"type": "array", "items": _DEATH}},
            {"name": "fact_counts", "type": {"type": "map", "values": "long"}},
            {"name": "record_counts", "type": {"type": "map", "values": "long"}},
            {"name": "gate_facts", "type": {"type": "array", "items": _FACT}},
        ],
    }
)


def row_of(case: CaseTimeline, reader: Reader) -> bytes | None:
    """Return the cache row of `case`; `None` where no citizen is enrolled in it (yet): nothing is worth keeping."""
    enrolled = case.enrolled
    # Merges are rare, and what they leave behind is much: such a case is read from its records.
    if not isinstance(enrolled, CitizenEnrolled) or case.was_merged:
        return None
    return _ROW.encode(
        {
            "code": reader.code,
            "version": case.version,
            "enrolled_at": enrolled.recorded_at,
            "birth_date": enrolled.birth_date,
            "jurisdiction": enrolled.jurisdiction,
            "settled_at": case.settled.at,
            "settled_version": case.settled.version,
            "dead": [{"event_id": dead, "how": death.how, "at": death.at} for dead, death in case.dead.items()],
            "fact_counts": {f"{party} {bit}": count for (party, bit), count in case.fact_counts.items()},
            "record_counts": case.record_counts,
            "gate_facts": [_row_fact(fact, *case.gate_bodies[fact.event_id]) for fact in case.gate_facts.values()],
        }
    )


def _row_fact(fact: Fact, schema_id: int, body: bytes) -> dict[str, Any]:
    return {
        "event_id": fact.event_id,
        "event_type": fact.event_type,
        "party": fact.party,
        "occurred_at": fact.occurred_at,
        "recorded_at": fact.recorded_at,
        "corrects": fact.corrects,
        "schema_id": schema_id,
        "body": body,
    }


def _party_and_bit(key: str) -> tuple[str, int]:
    party, bit = key.split(" ")
    return party, int(bit)


def case_from_row(case_id: str, row: bytes, reader: Reader) -> CaseTimeline | None:
    """Return the case that `row` holds, its history not held; `None` where other code wrote the row."""
    values = _ROW.decode(row)
    if values["code"] != reader.code:
        return None
    case = CaseTimeline(
        case_id,
        version=values["version"],
        enrolled=CitizenEnrolled(
            case_stream(case_id), 1, values["enrolled_at"], values["birth_date"], values["jurisdiction"]
        ),
        dead={entry["event_id"]: Death(entry["how"], entry["at"]) for entry in values["dead"]},
        fact_counts={_party_and_bit(key): count for key, count in values["fact_counts"].items()},
        record_counts=values["record_counts"],
        settled=Settled(values["settled_version"], values["settled_at"]),
        history_held=False,
    )
    for entry in values["gate_facts"]:
        payload = reader.codec.decode_body(entry["schema_id"], entry["body"])
        case.gate_bodies[entry["event_id"]] = (entry["schema_id"], entry["body"])
        case.gate_body_bytes += len(entry["body"])
        case.gate_facts[entry["event_id"]] = Fact(
            entry["event_id"],
            entry["event_type"],
            entry["party"],
            entry["occurred_at"],
            entry["recorded_at"],
            payload,
            entry["corrects"],
        )
    for fact in case.live_gate_facts():
        case.known_consents.count(fact, +1)
    return case


def needs_history(record: object) -> bool:
    """Whether folding `record` onto a case without its history would go wrong: it makes another fact dead."""
    if isinstance(record, FactRecorded):
        return record.corrects is not None or record.event_type == RETRACTION
    return isinstance(record, MergeStepped)

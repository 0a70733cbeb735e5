"""Batches for the tests of a store: small, valid, and different wherever a mix-up should show."""

from __future__ import annotations

from collections.abc import Iterable

from hub.store.ports import (
    BatchWrites,
    Obligation,
    OpenParked,
    OpenReview,
    Promise,
    Removal,
    StoreIdentity,
    removal_step,
)
from hub.store.records import (
    BATCHES,
    BatchCommitted,
    CitizenEnrolled,
    Decision,
    DecisionsRecorded,
    FactRecorded,
    NumberAssigned,
    ParkedResolved,
    Record,
    RecordParked,
    case_stream,
    parked_stream,
    sent_stream,
)

MASTER_KEY = bytes(range(32))
IDENTITY = StoreIdentity("cluster-1", "world-1", 3, 8, {"in.a-soc.v1": "topic-id-1"})


def committed(version: int, owner: str = "owner-1", **positions: int) -> BatchCommitted:
    """Batch `version`; `positions` are written `a_soc=7` for topic `in.a-soc.v1`."""
    topics = {f"in.{name.replace('_', '-')}.v1": next_ for name, next_ in positions.items()}
    return BatchCommitted(BATCHES, version, owner, version * 1000, topics)


def enrolled(case_id: str) -> CitizenEnrolled:
    """The first record of a case."""
    return CitizenEnrolled(case_stream(case_id), 1, 1_000, 7_300, "DK")


def fact(case_id: str, version: int, value: bytes = b"content", ce_id: str | None = None) -> FactRecorded:
    """A fact at `version` of a case, with every optional field absent."""
    event_id = f"A.SOC/{ce_id or f'{case_id}-{version}'}"
    source = "urn:party:A.SOC:system"
    stream = case_stream(case_id)
    return FactRecorded(stream, version, event_id, "PlanMade", "A.SOC", source, 17, 10, 20, 30, None, None, None, value)


def decided(case_id: str, version: int, *decisions: Decision) -> DecisionsRecorded:
    """A settlement at `version` of a case."""
    return DecisionsRecorded(case_stream(case_id), version, 40, "DK-1", "registry-hash", decisions)


def number(party: str, number_: int, case_id: str = "case-1", version: int = 3, index: int = 0) -> NumberAssigned:
    """One number of a party."""
    return NumberAssigned(sent_stream(party), number_, case_id, version, index)


def parked(party: str, version: int, value: bytes | None = b"raw bytes") -> RecordParked:
    """A parked record."""
    headers = (("ce_id", b"1"), ("ce_type", b"\xff"))
    stream = parked_stream(party)
    return RecordParked(
        stream, version, "bad_avro", "value", "mend it", "in.a-soc.v1", 3, 77, 50, b"its key", value, headers
    )


def resolved(party: str, version: int, parked_version: int) -> ParkedResolved:
    """The end of a parked record."""
    return ParkedResolved(parked_stream(party), version, parked_version, "admitted", 60)


def batch(version: int, records: Iterable[Record] = (), owner: str = "owner-1", **positions: int) -> BatchWrites:
    """A batch of `records`, with the digests of the facts among them."""
    listed = list(records)
    digests = {each.event_id: b"digest" for each in listed if isinstance(each, FactRecorded)}
    return BatchWrites(committed(version, owner, **positions), listed, digests=digests)


def full_batch(version: int = 1, owner: str = "owner-1", case_id: str = "case-1") -> BatchWrites:
    """A first batch that writes to every table."""
    shown = (("consent", 5), ("statute", 9))
    writes = batch(
        version,
        [
            enrolled(case_id),
            fact(case_id, 2),
            decided(case_id, 3, Decision(2, "B.SOC", shown, 1), Decision(2, "C.PSY", (), 0)),
            number("B.SOC", 1, case_id),
            parked("A.SOC", 1),
        ],
        owner,
        a_soc=7,
    )
    writes.keys["A.SOC", "key-1"] = case_id
    writes.due[case_id] = 5_000
    writes.cache_rows[case_id] = b"cache of the case"
    writes.open_parked["A.SOC/1"] = OpenParked("A.SOC", 1, 1, 50, "line", "event", "typed", "gives", "waits")
    writes.heard["A.SOC"] = 900
    writes.open_reviews[case_id] = (OpenReview("REVIEW_DUE", 6_000),)
    writes.forwarding[case_id, "case-9"] = (2, 3)
    writes.promises["A.SOC/1"] = tuple(Promise("A.SOC/1", party, case_id, 1) for party in ("A.SOC", "B.SOC"))
    step = removal_step(case_id, "case-9", 4)
    writes.removals[step] = tuple(Removal(step, party, case_id, "case-9", 2, 4, 1) for party in ("B.SOC", "HUB"))
    writes.obligations["HUB/1"] = Obligation("HUB/1", case_id, "B.SOC", 7_000)
    return writes

"""The numbers of one party that one batch gives out, packed into rows: a row per run, not one per number.

Rules:
- A run holds consecutive numbers of one party; its row's version is the last of them, so the head of the stream is
  the last number given out.
- A run follows the one before it without a hole: the recorder checks it, in the transaction of the batch.
- Numbers of one settlement of a case stand together, and are written by column.

A batch gives `NumberAssigned` records to the store and reads them back; nobody else knows of runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from contracts.codec import RecordCodec
from contracts.failures import DamagedStore
from hub.store.records import NumberAssigned, NumbersAssigned, Record, StoredRecord

NUMBERS_PER_ROW_MAX: Final = 5_000

_LONGS: Final = {"type": "array", "items": "long"}
_CODEC: Final = RecordCodec(
    {
        "type": "record",
        "name": "NumbersAssigned",
        "fields": [
            {"name": "case_ids", "type": {"type": "array", "items": "string"}},
            {"name": "decided_versions", "type": _LONGS},
            {"name": "counts", "type": _LONGS},
            {"name": "decision_indexes", "type": _LONGS},
        ],
    }
)
"""Per settled case: its id, the version of its decisions, how many numbers, then each number.s decision index."""


def packed(records: Iterable[Record]) -> list[StoredRecord]:
    """Return `records` with the numbers of each party packed into runs, at the end.

    Raises `DamagedStore` where the numbers of a party are not consecutive.
    """
    packed_records: list[StoredRecord] = []
    numbers: dict[str, list[NumberAssigned]] = {}
    for record in records:
        if type(record) is NumberAssigned:
            numbers.setdefault(record.originator_id, []).append(record)
        else:
            packed_records.append(record)
    for stream, given in numbers.items():
        _require_consecutive(stream, given)
        for start in range(0, len(given), NUMBERS_PER_ROW_MAX):
            run = given[start : start + NUMBERS_PER_ROW_MAX]
            packed_records.append(NumbersAssigned(stream, run[-1].originator_version, tuple(run)))
    return packed_records


def encode_run(run: NumbersAssigned) -> bytes:
    """Return the Avro body of a run."""
    settled = [(place, len(list(same))) for place, same in groupby(run.numbers, key=_settlement)]
    return _CODEC.encode_trusted(
        {
            "case_ids": [case_id for (case_id, _), _ in settled],
            "decided_versions": [version for (_, version), _ in settled],
            "counts": [count for _, count in settled],
            "decision_indexes": [number.decision_index for number in run.numbers],
        }
    )


def decode_run(stream: str, last: int, body: bytes) -> NumbersAssigned:
    """Return the run of a row at version `last` of `stream`."""
    values = _CODEC.decode(body)
    return NumbersAssigned(stream, last, tuple(_numbers(stream, last, values)))


def _numbers(stream: str, last: int, values: dict[str, Any]) -> Iterator[NumberAssigned]:
    indexes = iter(enumerate(values["decision_indexes"], last - len(values["decision_indexes"]) + 1))
    settled = zip(values["case_ids"], values["decided_versions"], values["counts"], strict=True)
    for case_id, version, count in settled:
        for _ in range(count):
            number, index = next(indexes)
            yield NumberAssigned(stream, number, case_id, version, index)


def _settlement(number: NumberAssigned) -> tuple[str, int]:
    return number.case_id, number.decided_version


def _require_consecutive(stream: str, given: Sequence[NumberAssigned]) -> None:
    first = given[0].originator_version
    if [number.originator_version for number in given] != list(range(first, first + len(given))):
        raise DamagedStore(f"the numbers of `{stream}` in one batch are not consecutive: nothing of it is stored")

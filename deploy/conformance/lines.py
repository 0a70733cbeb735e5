"""One record as one line of JSON: how an agency's test and this program hand each other records without a broker.

    {"topic": "in.a-soc.v1", "partition": 3, "key": "0f8f…", "headers": [["ce_id", "…"], …], "value": "<base64>"}

Rules:
- Headers are a list of pairs, because a header may stand twice, which is a fault to be found. `key` and `value` may be
  null.
- `timestamp` (milliseconds) is the record's own time, now if it is left out.
- `source_ref` and `revision` may say what `ce_id` was derived from; they never travel.
- A line that is not of this form is refused with its number and the name at fault.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.failures import InvalidFact
from contracts.phrases import lower_first
from hub.broker.ports import InputRecord

LINES_MAX: Final = 100_000
"""A run of a test, not an archive: all of it is held in memory."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    topic: str
    partition: Annotated[int, Field(ge=0)]
    key: str | None = None
    headers: list[tuple[str, str]]
    value: str | None = None
    timestamp: Annotated[int, Field(ge=0)] | None = None
    source_ref: str | None = None
    revision: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True)
class GivenRecord:
    """A record, and what its id was derived from where that is said."""

    record: InputRecord
    source_ref: str | None = None
    revision: int = 0


def read_lines(lines: Iterable[str], now_ms: int) -> Iterator[GivenRecord]:
    """Yield the record of each line; raise `InvalidFact` for the first that is none. Empty lines are passed over."""
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        if number > LINES_MAX:
            raise InvalidFact("records", f"are more than {LINES_MAX}", "hand over fewer at a time")
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as invalid:
            fault = invalid.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in fault["loc"]) or "line"
            raise InvalidFact(
                f"line {number}, {where}", lower_first(fault["msg"]), "see WIRE.md, conformance"
            ) from None
        record = InputRecord(
            line.topic,
            line.partition,
            number,
            now_ms if line.timestamp is None else line.timestamp,
            None if line.key is None else line.key.encode(),
            _bytes_of(line.value, number),
            [(name, value.encode()) for name, value in line.headers],
        )
        yield GivenRecord(record, line.source_ref, line.revision)


def _bytes_of(value: str | None, number: int) -> bytes | None:
    try:
        return None if value is None else base64.b64decode(value, validate=True)
    except ValueError:
        raise InvalidFact(f"line {number}, value", "is no base64", "encode the record's bytes in base64") from None


def line_of(record: InputRecord) -> str:
    """The line of a record of ours."""
    return json.dumps(
        {
            "topic": record.topic,
            "partition": record.partition,
            "key": None if record.key is None else record.key.decode(),
            "headers": [[name, value.decode()] for name, value in record.headers],
            "value": None if record.value is None else base64.b64encode(record.value).decode(),
            "timestamp": record.timestamp,
        }
    )

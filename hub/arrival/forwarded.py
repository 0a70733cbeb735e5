"""A fact that one case forwards to another in a merge, as a record of the hub's own input.

Rules:
- Value and `ce_` headers say what its agency stated, as it was stated. Five headers of the hub's own say for which
  case it is, from which it comes, when it was recorded there, whether that was before the merge, and which key of the
  agency had signed it. The hub signs it anew, these headers included.
- A sixth says whom that case had told of it, and what each was shown on consents of whose ending it was not told; with
  the version of the record from which the forwarding follows. It is left out where nobody was told.
- Only the hub may write to this topic; what cannot be read here is parked like any other record of it.
- What is forwarded is a fact: a control record is none, and is refused.

Pure. Written by `hub.shard.forwarding`, read by `hub.shard.admission`.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from contracts.cloudevents import SIG, SIG_KEY, Attributes, parse_attributes, published_headers
from contracts.codec import Codec
from contracts.fact import ce_id_of
from contracts.failures import Refused
from contracts.models import UUID_TEXT
from contracts.parties import PARTY_ID, Party
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from contracts.signatures import KEY_ID
from hub.arrival.gate import Statement, read
from hub.broker.hub_messages import FORWARDING_HEADERS, HUB_TOLD
from hub.broker.ports import Headers, InputRecord
from hub.store.records import FactRecorded, Shown

HUB_CASE, HUB_FROM, HUB_RECORDED_AT, HUB_JUDGED, HUB_SIGNING_KEY = FORWARDING_HEADERS
_CASE: Final = re.compile(UUID_TEXT.removeprefix("^").removesuffix(r"\z"))
_OWN: Final = {
    HUB_CASE: _CASE,
    HUB_FROM: _CASE,
    HUB_RECORDED_AT: re.compile("0|[1-9][0-9]{0,12}"),  # milliseconds of a year that the contracts know
    HUB_JUDGED: re.compile("[01]"),
    HUB_SIGNING_KEY: re.compile(f"(?:{KEY_ID.pattern})?"),
}
_SHOWN: Final = r"[A-Za-z0-9:-]{1,60}=[1-9][0-9]{0,9}"
"""Basis and categories."""
_TOLD: Final = re.compile(rf"[1-9][0-9]{{0,17}}(?:;{PARTY_ID.pattern}(?: {_SHOWN})*)+")
"""The version, then each party and what it was shown."""


class HandedOver(NamedTuple):
    """Whom a case had told of a fact (`ToldElsewhere`), as it says after the record at `version` of its stream."""

    version: int = 0
    told: tuple[tuple[str, Shown], ...] = ()


class Forwarded(NamedTuple):
    """A fact on its way. `recorded_at` is when the hub recorded it first; `was_judged`: it stood before the merge."""

    case_id: str
    from_case: str
    recorded_at: int
    was_judged: bool
    statement: Statement
    as_stated: InputRecord
    """The record as its agency sent it, but for its key, which the case that it goes to has to give."""
    handed_over: HandedOver = HandedOver()


def is_forwarded(record: InputRecord) -> bool:
    """Whether a record of the hub's own input is a forwarded fact."""
    return any(name == HUB_CASE for name, _ in record.headers)


def read_forwarded(record: InputRecord, codec: Codec) -> Forwarded:
    """Return the fact that `record` forwards, or raise `Refused`."""
    own = {name: value.decode("ascii", "replace") for name, value in record.headers if name in (*_OWN, HUB_TOLD)}
    for name, form in _OWN.items():
        if not form.fullmatch(own.get(name, "")):
            raise Refused(Reason.BAD_HEADER, name, "a forwarded fact has all headers of the hub's own, well-formed")
    handed_over = _handed_over(own[HUB_TOLD]) if HUB_TOLD in own else HandedOver()
    signing_key = own.get(HUB_SIGNING_KEY, "")
    not_stated = (*_OWN, HUB_TOLD, SIG, SIG_KEY)
    stated = tuple((name, value) for name, value in record.headers if name not in not_stated)
    if signing_key:
        stated = (*stated, (SIG_KEY, signing_key.encode()))
    as_stated = record._replace(headers=stated)
    recorded_at = int(own[HUB_RECORDED_AT])
    statement = read(as_stated, Party(parse_attributes(stated).party), recorded_at, codec, signing_key)
    if statement.event_type.control:
        fix = f"`{statement.event_type.name}` is no fact of a case: state it without the headers of a forwarded one"
        raise Refused(Reason.MAY_NOT_STATE, "ce_type", fix)
    return Forwarded(
        own[HUB_CASE], own[HUB_FROM], recorded_at, own[HUB_JUDGED] == "1", statement, as_stated, handed_over
    )


def _handed_over(text: str) -> HandedOver:
    if not _TOLD.fullmatch(text):
        raise Refused(Reason.BAD_HEADER, HUB_TOLD, "give a version and the parties that were told, or leave it out")
    version, *parties = text.split(";")
    told: list[tuple[str, Shown]] = []
    for party, *shown in (each.split(" ") for each in parties):
        pairs = (each.split("=") for each in shown)
        told.append((party, tuple((basis, int(mask)) for basis, mask in pairs)))
    return HandedOver(int(version), tuple(told))


def _handed_over_text(handed_over: HandedOver) -> str:
    parties = (" ".join((party, *(f"{basis}={mask}" for basis, mask in shown))) for party, shown in handed_over.told)
    return ";".join((str(handed_over.version), *parties))


def forwarded_record(
    fact: FactRecorded,
    case_id: str,
    from_case: str,
    codec: Codec,
    *,
    was_judged: bool,
    handed_over: HandedOver = HandedOver(),  # noqa: B008
) -> tuple[bytes, Headers]:
    """Return value and headers of the record that forwards `fact` from `from_case` to `case_id`."""
    attributes = Attributes(
        id=ce_id_of(fact.event_id),
        source=fact.source,
        type=schema_ids().entries[fact.schema_id].event_type.ce_type,
        time=fact.published_at,
        corrects=ce_id_of(fact.corrects) if fact.corrects else None,
        correlation=fact.correlation,
        causation=fact.causation,
    )
    recorded_at = fact.origin.recorded_at if fact.origin else fact.recorded_at
    own = (case_id, from_case, str(recorded_at), str(int(was_judged)), fact.signing_key)
    headers = [*published_headers(attributes), *((name, value.encode()) for name, value in zip(_OWN, own, strict=True))]
    if handed_over.told:
        headers.append((HUB_TOLD, _handed_over_text(handed_over).encode()))
    return codec.frame(fact.schema_id, fact.value), headers

"""Every reason to park, provoked through the real Kafka by a plain client among good records.

Rules:
- Each bad record is parked under its own code, and the good record after it is disclosed.
- The hub is one process throughout: nothing that an agency writes ends it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from contracts.catalogue import catalogue
from contracts.civil_time import instant_of
from contracts.cloudevents import SIG, SIG_KEY
from contracts.codec import codec
from contracts.failures import NotFound
from contracts.limits import VALUE_BYTES_MAX
from contracts.partitioning import partition_of
from contracts.reasons import Reason
from contracts.schema_ids import schema_ids
from deploy.identity_command import vault_path
from deploy.parked_command import parked, parked_lines
from hub.identity.national_ids import parse_national_id
from hub.identity.pseudonyms import pseudonym
from hub.identity.vault import Vault
from producers.transport import OutgoingRecord
from tests.kafka.live_world import PARTITIONS, STRANGER_ID, LiveWorld, RawRecord, raw
from tests.kafka.out_topics import sent_to

pytestmark = pytest.mark.kafka

Spoil = Callable[[LiveWorld, OutgoingRecord], RawRecord]
CONSENT: Final = "00000000-0000-4000-8000-00000000000c"
NOBODY: Final = "00000000-0000-4000-8000-000000000009"


class BadlyNamed(str):
    """A header name whose bytes are no UTF-8; the client library asks the text for its bytes."""

    def encode(self, *_: Any, **__: Any) -> bytes:
        return b"ce_\xff\xfe"


def _changed(live: LiveWorld, record: OutgoingRecord, **changes: Any) -> RawRecord:
    payload = codec().decode(record.value).payload | changes
    return raw(live, record, value=codec().encode(schema_ids().published("HousingSecured"), payload))


def _other_type(live: LiveWorld, record: OutgoingRecord, name: str, payload: dict[str, Any]) -> RawRecord:
    complete = {"occurredAt": instant_of(live.moment())} | payload
    value = codec().encode(schema_ids().published(name), complete)
    return raw(live, _with_header(record, "ce_type", catalogue().event_types[name].ce_type.encode()), value=value)


def _as_sent(record: OutgoingRecord, **changes: Any) -> RawRecord:
    """The record with `changes` and the signature that it had before them."""
    return RawRecord(**{"key": record.key, "value": record.value, "headers": list(record.headers)} | changes)


def _with_header(record: OutgoingRecord, name: str, value: bytes | None) -> OutgoingRecord:
    headers = [(given, content) for given, content in record.headers if given != name]
    return replace(record, headers=[*headers, (name, value)] if value is not None else headers)


def _other_partition(record: OutgoingRecord) -> int:
    return (partition_of(record.key, PARTITIONS) + 1) % PARTITIONS


def _amendment(live: LiveWorld) -> dict[str, Any]:
    at = instant_of(live.moment())
    return {
        "version": 1, "at": at, "collectedBy": "A.SOC", "collector": "s1", "evidenceRef": "x", "noticeVersion": "1",
        "language": "da", "consentId": NOBODY, "givenBy": "SUBJECT", "form": "WRITTEN", "categories": ["HO"],
        "sources": ["A.SOC"], "recipients": ["PRI"], "purposes": ["SOCIAL_SUPPORT"], "validFrom": at,
        "withdrawalExplained": True, "capacityConfirmed": True,
    }  # fmt: skip


def _stated_before(live: LiveWorld, record: OutgoingRecord) -> RawRecord:
    live.publish(record)
    return _changed(live, record, address="Nygade 2")


SPOILT: Final[dict[str, tuple[Reason, Spoil]]] = {
    "no value": (Reason.EMPTY_VALUE, lambda live, good: raw(live, good, value=None)),
    "empty value": (Reason.EMPTY_VALUE, lambda live, good: raw(live, good, value=b"")),
    "too large": (Reason.TOO_LARGE, lambda live, good: raw(live, good, value=good.value + b"\0" * VALUE_BYTES_MAX)),
    "no frame": (Reason.BAD_FRAME, lambda live, good: raw(live, good, value=b"\x01" + good.value[1:])),
    "unknown schema": (
        Reason.UNKNOWN_SCHEMA,
        lambda live, good: raw(live, good, value=b"\x00\x7f\xff\xff\xff" + good.value[5:]),
    ),
    "truncated": (Reason.BAD_AVRO, lambda live, good: raw(live, good, value=good.value[:-3])),
    "trailing bytes": (Reason.BAD_AVRO, lambda live, good: raw(live, good, value=good.value + b"\0")),
    "text too long": (Reason.VALUE_OUTSIDE_MODEL, lambda live, good: _changed(live, good, address="x" * 5_000)),
    "header missing": (Reason.BAD_HEADER, lambda live, good: raw(live, _with_header(good, "ce_time", None))),
    "header name no text": (
        Reason.BAD_HEADER,
        lambda live, good: raw(live, good, headers=[*good.headers, (BadlyNamed("ce_"), b"x")]),
    ),
    "header no text": (Reason.BAD_HEADER, lambda live, good: raw(live, _with_header(good, "ce_id", b"\xff\xfe"))),
    "source of another": (
        Reason.SOURCE_NOT_TOPICS_PARTY,
        lambda live, good: raw(live, _with_header(good, "ce_source", b"urn:party:PRI:live")),
    ),
    "type of another schema": (
        Reason.TYPE_NOT_SCHEMAS,
        lambda live, good: raw(
            live, _with_header(good, "ce_type", catalogue().event_types["CaseClosed"].ce_type.encode())
        ),
    ),
    "a prison's event": (
        Reason.MAY_NOT_STATE,
        lambda live, good: _other_type(
            live, good, "ReleaseDateSet", {"custodyId": NOBODY, "releaseDate": 20_000, "kind": "PAROLE"}
        ),
    ),
    "the hub's own control record": (
        Reason.MAY_NOT_STATE,
        lambda live, good: _other_type(live, good, "KeyIssued", {"caseId": NOBODY, "party": "A.SOC", "key": NOBODY}),
    ),
    "no key": (Reason.UNKNOWN_KEY, lambda live, good: raw(live, good, key=None)),
    "key of nobody": (Reason.UNKNOWN_KEY, lambda live, good: raw(live, good, key=NOBODY.encode())),
    "key of another party": (Reason.UNKNOWN_KEY, lambda live, good: raw(live, good, key=live.keys["PRI"].encode())),
    "partition of another key": (
        Reason.WRONG_PARTITION,
        lambda live, good: raw(live, good, partition=_other_partition(good)),
    ),
    "same id, other bytes": (Reason.SAME_ID_OTHER_BYTES, _stated_before),
    "in the future": (
        Reason.IN_THE_FUTURE,
        lambda live, good: _changed(live, good, occurredAt=instant_of(live.moment() + timedelta(days=1))),
    ),
    "corrects nothing": (
        Reason.CORRECTS_NOTHING,
        lambda live, good: raw(live, _with_header(good, "ce_corrects", NOBODY.encode())),
    ),
    "retracts nothing": (
        Reason.CORRECTS_NOTHING,
        lambda live, good: _other_type(
            live,
            good,
            "EventRetracted",
            {"targetEventId": NOBODY, "at": instant_of(live.moment()), "reason": "DUPLICATE"},
        ),
    ),
    "a receipt of nothing": (
        Reason.ANSWERS_NOTHING,
        lambda live, good: _other_type(
            live,
            good,
            "RemovalReceipted",
            {"targetEventId": NOBODY, "at": instant_of(live.moment()), "outcome": "PURGED"},
        ),
    ),
    "amends an unknown consent": (
        Reason.UNKNOWN_CONSENT,
        lambda live, good: _other_type(live, good, "ConsentAmended", _amendment(live)),
    ),
    "not signed": (
        Reason.UNSIGNED,
        lambda live, good: _as_sent(good, headers=[each for each in good.headers if each[0] not in (SIG, SIG_KEY)]),
    ),
    "signed by another party": (
        Reason.UNKNOWN_SIGNING_KEY,
        lambda live, good: _as_sent(_with_header(good, SIG_KEY, live.world.signing_key("PRI").id.encode())),
    ),
    "signed as another record": (Reason.BAD_SIGNATURE, lambda live, good: _as_sent(good, value=good.value + b"x")),
    "half a signature": (Reason.BAD_HEADER, lambda live, good: _as_sent(_with_header(good, SIG, None))),
}


@pytest.fixture
def same_process(live: LiveWorld) -> Iterator[None]:
    """The hub is the same process afterwards."""
    before = live.hub.process_id
    assert live.hub.is_running
    yield
    assert live.hub.is_running
    assert live.hub.process_id == before


def test_every_reason_is_provoked() -> None:
    assert {reason for reason, _ in SPOILT.values()} | {Reason.WAITS_FOR_PARKED} == set(Reason)


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("case", SPOILT)
def test_a_bad_record_is_parked_under_its_code_and_the_next_good_one_is_disclosed(live: LiveWorld, case: str) -> None:
    reason, spoil = SPOILT[case]
    known = live.parked()
    bad = spoil(live, live.housing())
    live.write(bad)
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "the good record is disclosed")
    live.wait_until(lambda: len(live.parked()) > len(known), "the bad record is parked")
    (fresh,) = (one for one in live.parked() if one not in known)
    assert fresh.reason == reason
    assert (fresh.key, fresh.value) == (bad.key, bad.value)


@pytest.mark.usefixtures("same_process")
def test_all_bad_records_at_once_hold_up_nothing(live: LiveWorld) -> None:
    known = live.parked()
    for _, spoil in SPOILT.values():
        live.write(spoil(live, live.housing()))
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "the good record is disclosed")
    live.wait_until(lambda: len(live.parked()) == len(known) + len(SPOILT), "all bad records are parked")
    fresh = [one.reason for one in live.parked() if one not in known]
    assert sorted(fresh) == sorted(reason for reason, _ in SPOILT.values())


@pytest.mark.usefixtures("same_process")
def test_an_amendment_waits_for_the_consent_that_is_parked_and_holds_up_nothing_else(live: LiveWorld) -> None:
    known = live.parked()
    spoilt = _amendment(live) | {"consentId": CONSENT, "collector": "x" * 5_000}
    live.write(_other_type(live, live.housing(), "ConsentGiven", spoilt))
    live.wait_until(lambda: len(live.parked()) == len(known) + 1, "the consent is parked")
    live.write(_other_type(live, live.housing(), "ConsentAmended", _amendment(live) | {"consentId": CONSENT}))
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "the good record is disclosed")
    live.wait_until(lambda: len(live.parked()) == len(known) + 2, "the amendment waits")
    fresh = [one.reason for one in live.parked() if one not in known]
    assert fresh == [Reason.VALUE_OUTSIDE_MODEL, Reason.WAITS_FOR_PARKED]
    places = {(one.partition, str(one.offset), one.reason) for one in live.parked() if one not in known}
    live.wait_until(lambda: places <= _heard_of(live), "its publisher hears of both")


def _heard_of(live: LiveWorld) -> set[tuple[int, str, str]]:
    """Partition, offset and reason of each parked record that A.SOC was told of, as they lie on its topic."""
    told = [codec().decode(record.value).payload for record in sent_to(live.world, "A.SOC") if record.value]
    return {
        (said["recordPartition"], said["recordOffset"], said["reasonCode"]) for said in told if "parkedNumber" in said
    }


@pytest.mark.usefixtures("same_process")
def test_a_key_used_too_early_is_listed_shown_and_admitted_by_a_retry_after_enrolment(live: LiveWorld) -> None:
    key = _key_before_enrolment(live)
    known = {(line.shard, line.number) for line in parked_lines(live.world, "A.SOC")}
    live.publish(live.housing(key))
    live.wait_until(lambda: len(live.parked()) > len(known), "the record is parked")
    (line,) = (line for line in parked_lines(live.world, "A.SOC") if (line.shard, line.number) not in known)
    assert line.record.reason == Reason.UNKNOWN_KEY
    live.take_back_housing(live.stated, key)
    live.wait_until(lambda: len(live.parked()) > len(known) + 1, "its retraction is parked behind it")

    listed = _hub_parked(live, "list", "--party", "A.SOC", "--json")
    (row,) = (row for row in json.loads(listed.output) if (row["shard"], row["number"]) == (line.shard, line.number))
    assert (row["reason"], row["field"], row["outcome"]) == ("unknown_key", "key", "open")
    place = ["A.SOC", str(line.number), "--shard", str(line.shard)]
    shown = _hub_parked(live, "show", *place)
    assert "reason: unknown_key" in shown.output
    for text in (listed.output, shown.output):
        assert key not in text
        assert "Nygade" not in text

    refused = _hub_parked(live, "retry", *place, exit_code=1).output.splitlines()
    assert refused[0] == f"shard {line.shard}: parked_again"
    assert [said.partition(":")[2].split(":")[0] for said in refused[1:]] == [" unknown_key, field key"]
    assert live.enrol(STRANGER_ID)["A.SOC"] == key
    number = max(one.number for one in parked_lines(live.world, "A.SOC") if one.shard == line.shard)
    place[1] = str(number)
    assert _hub_parked(live, "retry", *place).output.strip() == f"shard {line.shard}: admitted"
    with pytest.raises(NotFound, match="resolved already"):
        _hub_parked(live, "retry", *place)
    assert "outcome: admitted" in _hub_parked(live, "show", *place).output
    left = {one.outcome for one in parked_lines(live.world, "A.SOC") if (one.shard, one.number) not in known}
    assert left == {"parked_again", "admitted"}


def _key_before_enrolment(live: LiveWorld) -> str:
    """The key that A.SOC will have of a citizen whom the vault knows and the shard has not been told of yet."""
    vault = Vault.open(vault_path(live.world), live.world.master_key)
    try:
        citizen = vault.enrol(parse_national_id(STRANGER_ID), datetime.now(UTC).date())
    finally:
        vault.close()
    return pseudonym(live.world.hub_secret, citizen.case_id, "A.SOC", citizen.shard, PARTITIONS)


def _hub_parked(live: LiveWorld, *arguments: str, exit_code: int = 0) -> Result:
    done = CliRunner().invoke(parked, [*arguments, "--world", str(live.world.directory)], catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done

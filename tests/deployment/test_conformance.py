"""`hub conformance`: it says of a publisher's record what the hub says, and finds every way a receiver goes wrong."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import catalogue
from contracts.cloudevents import parse_disclosed
from contracts.codec import codec
from contracts.failures import Failure, InvalidFact
from contracts.parties import Party
from contracts.partitioning import partition_of
from contracts.reasons import Reason
from contracts.signatures import SigningKey
from contracts.topics import Names
from deploy.conformance.command import conformance
from deploy.conformance.lines import GivenRecord, line_of, read_lines
from deploy.conformance.publishing import PublisherCheck, Verdict
from deploy.conformance.receiving import Report, ReportedEvent, ReportedGap, differences, read_report
from deploy.conformance.receiving import Sequence as ReceiverSequence
from deploy.conformance.resyncing import MARK, ResyncSequence
from hub.broker.ports import InputRecord
from producers.publisher import Publisher
from producers.statement import Statement
from producers.transport import OutgoingRecord
from tests.kafka.live_world import PARTITIONS, LiveWorld, RawRecord, raw
from tests.kafka.test_reason_codes import SPOILT
from tests.producers.recording_transport import RecordingTransport

PARTY: Final = "A.SOC"
SECRET: Final = bytes(range(32))
NOW: Final = datetime.now(UTC).replace(microsecond=0)
NOW_MS: Final = int(NOW.timestamp() * 1000)
KEY: Final = "0f8fad5b-d9cb-469f-a165-70867728950e"
BY_HUB_ALONE: Final = {"key of nobody", "key of another party", "a receipt of nothing"}
"""Faults that only a hub can see, which knows the keys that it gave out and the notices that it sent."""


class Desk:
    """An agency's publisher without a broker; as much of `LiveWorld` as the spoilt records ask for."""

    world: Final = SimpleNamespace(signing_key=lambda party: SigningKey(party.encode().ljust(32)))
    keys: Final = {PARTY: KEY, "PRI": "5f8fad5b-d9cb-469f-a165-70867728950e"}

    def __init__(self) -> None:
        signing_key = self.world.signing_key(PARTY)
        self.publisher = Publisher(
            PARTY, RecordingTransport(), SECRET, system="records", clock=lambda: NOW_MS, signing_key=signing_key
        )
        self.public = self.world.signing_key(PARTY).public
        self.given: list[GivenRecord] = []
        self.stated = 0

    @staticmethod
    def moment() -> datetime:
        return NOW - timedelta(minutes=5)

    def housing(self, key: str = KEY, **circumstances: Any) -> OutgoingRecord:
        self.stated += 1
        values = {"housingId": uuid.uuid4(), "kind": "OWN_TENANCY", "at": self.moment(), "address": "Nygade 1"}
        statement = Statement("HousingSecured", values, self.moment())
        return self.publisher.prepare(statement, key=key, source_ref=f"housing/{self.stated}", **circumstances)

    def publish(self, record: OutgoingRecord) -> None:
        self.write(raw(as_live(self), record))

    def write(self, record: RawRecord, source_ref: str | None = None, revision: int = 0) -> None:
        chosen = partition_of(record.key, PARTITIONS) if record.key else 0
        partition = chosen if record.partition is None else record.partition
        topic, offset = Names().input(PARTY), len(self.given)
        read = InputRecord(topic, partition, offset, NOW_MS, record.key, record.value, list(record.headers))
        self.given.append(GivenRecord(read, source_ref, revision))

    def verdicts(self, secret: bytes | None = None) -> list[Verdict]:
        return PublisherCheck(Party(PARTY), Names(), PARTITIONS, secret, [self.public]).judge(self.given)


def as_live(desk: Desk) -> LiveWorld:
    """As the spoilt records want it."""
    return cast(LiveWorld, desk)


@pytest.mark.parametrize("case", sorted(SPOILT.keys() - BY_HUB_ALONE))
def test_what_the_hub_parks_is_parked_here_under_the_same_reason(case: str) -> None:
    reason, spoil = SPOILT[case]
    desk = Desk()
    desk.write(spoil(as_live(desk), desk.housing()))
    *_, verdict = desk.verdicts()
    assert (verdict.outcome, verdict.reason) == ("parked", reason)
    assert verdict.fix
    desk.publish(desk.housing())
    assert desk.verdicts()[-1].outcome == "admitted"


def test_every_reason_can_be_given_without_a_hub() -> None:
    assert {SPOILT[case][0] for case in SPOILT.keys() - BY_HUB_ALONE} == set(Reason) - {
        Reason.ANSWERS_NOTHING,
        Reason.WAITS_FOR_PARKED,
    }


def test_repeats_corrections_and_retractions_are_followed() -> None:
    desk = Desk()
    desk.publish(first := desk.housing())
    desk.publish(first)
    desk.stated = 0
    desk.publish(desk.housing(revision=1))
    outcomes = [verdict.outcome for verdict in desk.verdicts()]
    assert outcomes == ["admitted", "repeat", "admitted"]
    desk.stated = 0
    desk.publish(desk.housing(revision=2))
    desk.publish(desk.housing(revision=1, key=desk.keys["PRI"]))
    assert [verdict.reason for verdict in desk.verdicts()][3:] == ["", Reason.CORRECTS_NOTHING]


def test_a_key_that_is_no_pseudonym_or_stands_for_two_things_is_refused() -> None:
    desk = Desk()
    desk.write(raw(as_live(desk), desk.housing(), key=b"0101900005"))
    desk.write(raw(as_live(desk), desk.housing(), key=KEY.upper().encode()))
    assert {verdict.reason for verdict in desk.verdicts()} <= {Reason.UNKNOWN_KEY, Reason.WRONG_PARTITION}
    assert {verdict.outcome for verdict in desk.verdicts()} == {"parked"}


def test_ids_are_compared_with_what_they_are_derived_from() -> None:
    desk = Desk()
    good = desk.housing()
    desk.write(raw(as_live(desk), good), source_ref="housing/1")
    desk.write(raw(as_live(desk), good), source_ref="housing/2")
    drawn = [(name, str(uuid.uuid4()).encode() if name == "ce_id" else value) for name, value in good.headers]
    desk.write(raw(as_live(desk), good, headers=drawn))
    derived, other, random = desk.verdicts(SECRET)
    assert derived.remarks == ()
    assert "not the one derived from source reference and revision 0" in other.remarks[0]
    assert "no UUID of version 8" in random.remarks[0]
    assert {verdict.outcome for verdict in (derived, other, random)} == {"admitted", "repeat"}


def test_the_wire_pages_example_of_a_derived_id_is_right() -> None:
    page = Path("contracts/WIRE.md").read_text(encoding="utf-8")
    desk = Desk()
    assert f"`{desk.publisher.event_id('HousingSecured', 'housing/1', 0)}`" in page


def run(*words: str, given: str | None = None) -> Result:
    return CliRunner().invoke(conformance, words, input=given)


def test_records_go_through_the_command_as_lines(tmp_path: Path) -> None:
    desk = Desk()
    desk.publish(desk.housing())
    desk.write(raw(as_live(desk), desk.housing(), value=None))
    (tmp_path / "secret").write_text(SECRET.hex(), encoding="ascii")
    lines = "\n".join(line_of(one.record) for one in desk.given)
    words = ("publisher", PARTY, "--records", "-", "--partitions", str(PARTITIONS))
    done = run(*words, "--secret-file", str(tmp_path / "secret"), given=lines)
    assert done.exit_code == 1
    assert done.output.splitlines()[-1] == "2 records, 1 would be parked"
    assert "2  parked  empty_value  value: " in done.output
    rows = json.loads(run(*words, "--json", given=lines).output)
    assert [row["outcome"] for row in rows] == ["admitted", "parked"]
    assert run(*words, given=lines.splitlines()[0]).exit_code == 0
    assert run(*words, given="").exit_code == 1, "nothing was shown to conform"


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "line 1"),
        ("{}", "line 1, topic"),
        ('{"topic": "t", "partition": -1, "headers": []}', "line 1, partition"),
        ('{"topic": "t", "partition": 0, "headers": [["a"]]}', "line 1, headers"),
        ('{"topic": "t", "partition": 0, "headers": [], "value": "%"}', "line 1, value"),
        ('{"topic": "t", "partition": 0, "headers": [], "valu": ""}', "line 1, valu"),
    ],
)
def test_a_line_that_is_no_record_is_named(line: str, named: str) -> None:
    with pytest.raises(InvalidFact, match=named):
        list(read_lines([line], NOW_MS))


WORDS: Final = st.text(st.sampled_from('aZ0-_.:æ€😀\n"\\\0'), max_size=8)


@settings(max_examples=50)
@given(
    key=st.none() | WORDS,
    value=st.none() | st.binary(max_size=20),
    headers=st.lists(st.tuples(WORDS, WORDS), max_size=4),
)
def test_a_line_says_the_whole_record(key: str | None, value: bytes | None, headers: list[tuple[str, str]]) -> None:
    encoded = [(name, text.encode()) for name, text in headers]
    record = InputRecord("t", 3, 1, 7, None if key is None else key.encode(), value, encoded)
    (read,) = read_lines([line_of(record)], NOW_MS)
    assert read.record == record


class Receiver:
    """A receiver by the wire page; each defect of `DEFECTS` and `MARK_DEFECTS` is one line of it left out."""

    def __init__(self, partitions: int, defect: str = "") -> None:
        self._partitions, self._defect = partitions, defect
        self._numbers: dict[int, int] = {}
        self._events: dict[tuple[str, str], ReportedEvent] = {}
        self._gaps: dict[int, ReportedGap] = {}

    def take(self, record: InputRecord) -> None:
        told = parse_disclosed(record.headers)
        is_mark = told.type == catalogue().event_types[MARK].ce_type
        if record.partition in self._gaps and not self._gets_past(record, told.number, is_mark=is_mark):
            return
        last = self._numbers.get(record.partition, 0)
        if told.number <= last and self._defect != "repeats are applied":
            return
        if told.number > last + 1 and self._defect != "gaps are passed over":
            self._gaps[record.partition] = ReportedGap(partition=record.partition, last_number=last, came=told.number)
            return
        self._numbers[record.partition] = told.number
        if is_mark and self._defect != "marks are shown":
            if self._defect == "every mark empties the partition":
                self._forget(record.partition)
            return
        self._apply(record, (told.party, told.id), told.type)

    def _gets_past(self, record: InputRecord, number: int, *, is_mark: bool) -> bool:
        """Whether the record ends the gap: only the mark of a beginning does."""
        state = codec().decode(record.value).payload["state"] if is_mark and record.value else ""
        if self._defect == "no mark is known" or (state != "BEGUN" and self._defect != "any record ends a gap"):
            return False
        if self._defect != "what was held stays":
            self._forget(record.partition)
        del self._gaps[record.partition]
        self._numbers[record.partition] = number - 1
        return True

    def _forget(self, partition: int) -> None:
        for identity, event in list(self._events.items()):
            if partition_of(event.key.encode(), self._partitions) == partition:
                del self._events[identity]

    def _apply(self, record: InputRecord, identity: tuple[str, str], ce_type: str) -> None:
        if record.value is None:
            if self._defect != "retractions are ignored":
                self._events.pop(identity, None)
            return
        payload = {name: value for name, value in codec().decode(record.value).payload.items() if value is not None}
        if self._defect == "a later form is merged" and identity in self._events:
            payload = self._events[identity].fields | payload
        if self._defect == "the first form stays" and identity in self._events:
            return
        assert record.key is not None
        key = "one" if self._defect == "citizens are mixed" else record.key.decode()
        self._events[identity] = ReportedEvent(party=identity[0], id=identity[1], type=ce_type, key=key, fields=payload)

    def report(self) -> Report:
        return Report(events=list(self._events.values()), gaps=list(self._gaps.values()))


DEFECTS: Final = (
    "repeats are applied",
    "gaps are passed over",
    "retractions are ignored",
    "citizens are mixed",
    "a later form is merged",
    "the first form stays",
)


MARK_DEFECTS: Final = (
    "no mark is known",
    "any record ends a gap",
    "what was held stays",
    "every mark empties the partition",
    "marks are shown",
)


def received(
    partitions: int,
    defect: str = "",
    records: Callable[[Sequence[InputRecord]], Any] = list,
    sequence_of: type[ReceiverSequence] = ReceiverSequence,
) -> list[str]:
    wanted = sequence_of(PARTY, Names(), partitions)
    receiver = Receiver(partitions, defect)
    for record in records(wanted.records()):
        receiver.take(record)
    return differences(wanted.expected(), receiver.report(), wanted.why())


@pytest.mark.parametrize("partitions", [1, 2, 8, 64])
@pytest.mark.parametrize("sequence_of", [ReceiverSequence, ResyncSequence])
def test_a_receiver_by_the_wire_page_shows_what_must_come_out(
    sequence_of: type[ReceiverSequence], partitions: int
) -> None:
    assert received(partitions, sequence_of=sequence_of) == []


@pytest.mark.parametrize("partitions", [1, 8])
@pytest.mark.parametrize("defect", MARK_DEFECTS)
def test_a_receiver_that_takes_the_marks_of_a_resync_wrongly_is_found(defect: str, partitions: int) -> None:
    found = received(partitions, defect, sequence_of=ResyncSequence)
    assert found != []
    assert all("(" in line or line.startswith("gap") for line in found), "each says what it was there for"


@pytest.mark.parametrize("partitions", [1, 8])
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_receiver_that_goes_wrong_is_found(defect: str, partitions: int) -> None:
    found = received(partitions, defect)
    assert found != []
    assert all("(" in line or line.startswith("gap") for line in found), "each says what it was there for"


def test_the_sequence_is_the_same_each_time_and_partitions_may_come_in_any_order() -> None:
    first = ReceiverSequence(PARTY, Names(), 8).records()
    assert first == ReceiverSequence(PARTY, Names(), 8).records()
    assert received(8, records=lambda all_: sorted(all_, key=lambda record: -record.partition)) == []
    assert len({record.partition for record in first}) == 2
    assert {record.partition for record in ResyncSequence(PARTY, Names(), 8).records()} == {0, 7}


def test_a_report_may_give_times_as_text_and_must_have_the_form() -> None:
    wanted = ReceiverSequence(PARTY, Names(), 8)
    report = wanted.expected()
    for event in report.events:
        event.fields["at"] = datetime.fromtimestamp(event.fields["at"] / 1000, UTC).isoformat()
        event.fields["address"] = None
    assert differences(wanted.expected(), report, wanted.why()) == []
    report.events.append(report.events[0])
    report.events[1] = with_type(report.events[1], "org.casehub.x.Y.v1")
    report.gaps.append(ReportedGap(partition=3, last_number=1, came=3))
    found = differences(wanted.expected(), report, wanted.why())
    assert [line.split()[0] for line in found] == ["gap:", "other:", "twice:"]
    for text, named in (("{}", "events"), ('{"events": [{}], "gaps": []}', r"events\.0\.party"), ("[", "report")):
        with pytest.raises(InvalidFact, match=named):
            read_report(text)


def with_type(event: ReportedEvent, ce_type: str) -> ReportedEvent:
    return event.model_copy(update={"type": ce_type})


@pytest.mark.parametrize("which", [(), ("--resync",)])
def test_a_report_goes_through_the_command(which: tuple[str, ...]) -> None:
    lines = run("sequence", PARTY, "--partitions", "4", *which).output.splitlines()
    receiver = Receiver(4)
    for one in read_lines(lines, NOW_MS):
        receiver.take(one.record)
    done = run("receiver", PARTY, "--partitions", "4", *which, given=receiver.report().model_dump_json())
    assert (done.exit_code, done.output.strip()) == (0, "0 differences")
    other = run("receiver", PARTY, "--json", given=receiver.report().model_dump_json())
    assert other.exit_code == 1
    assert any("gap" in line for line in json.loads(other.output))


def test_the_files_of_the_readme_conform() -> None:
    here = Path(__file__).parent
    done = run("receiver", PARTY, str(here / "conforming-report.json"))
    assert (done.exit_code, done.output.strip()) == (0, "0 differences")
    done = run("publisher", PARTY, "--records", str(here / "conforming-records.jsonl"))
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "3 records, 0 would be parked")


def test_what_cannot_be_read_or_is_no_party_is_one_line() -> None:
    for words in (
        ("receiver", PARTY, "/proc/self/mem"),
        ("publisher", PARTY, "--records", "/proc/self/mem"),
        ("sequence", "no party"),
    ):
        assert isinstance(run(*words).exception, Failure)

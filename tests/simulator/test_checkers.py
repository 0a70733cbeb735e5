"""Each checker complains of what it is there for, told in a few records, and of nothing else."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from consumers.visible import VisibleEvent
from hub.broker.ports import InputRecord, OutputRecord
from hub.metrics import BatchCounts
from hub.store.records import (
    BATCHES,
    BatchCommitted,
    CitizenEnrolled,
    Decision,
    DecisionsRecorded,
    FactRecorded,
    NumberAssigned,
    NumbersAssigned,
    ParkedResolved,
    RecordParked,
    ResyncStepped,
    Shown,
    StoredRecord,
)
from tests.simulator.accounts import Accounts, Found
from tests.simulator.disclosures import Disclosures, Unread
from tests.simulator.invariants import (
    ACCOUNTED,
    CITED,
    CONFIRMED,
    COUNTED,
    DENSE,
    ONCE,
    ONWARD,
    STORED_FIRST,
    TOLD_ONCE,
    VIEWED,
    WITHDRAWN,
)
from tests.simulator.machine import Killed, Program, Violated
from tests.simulator.outcomes import fold, view_equals_fold
from tests.simulator.statements import BEGINNING, Author, Statement

TOPIC, HUB_TOPIC = "in.a-soc.v1", "in.hub.v1"
PARTIES = {TOPIC: "A.SOC", HUB_TOPIC: "HUB"}
CASE, KEY = "case:1", b"key"


def breaks(invariant: str) -> Any:
    """What a checker must raise."""
    return pytest.raises(Violated, match=invariant.replace("+", r"\+"))


def arrived(offset: int, event_id: str, body: bytes = b"body", key: bytes = KEY) -> InputRecord:
    """A record of A.SOC as it lies on its topic."""
    headers = (("ce_id", event_id.encode()), ("ce_type", b"org.casehub.any.CaseOpened.v1"))
    return InputRecord(TOPIC, 0, offset, 1_000 + offset, key, b"frame" + body, headers)


def fact(version: int, event_id: str, body: bytes = b"body", **more: Any) -> FactRecorded:
    """A fact of A.SOC on the case's timeline."""
    return FactRecorded(
        CASE, version, f"A.SOC/{event_id}", more.get("event_type", "CaseOpened"), "A.SOC", "s", more.get("schema", 1),
        more.get("at", 0), 0, 0, more.get("corrects"), None, None, body,
    )  # fmt: skip


def parked(version: int, offset: int) -> RecordParked:
    """A parked record of A.SOC."""
    return RecordParked("parked:A.SOC", version, "bad_avro", "value", "mend", TOPIC, 0, offset, 0, None, None, ())


def committed(version: int, clock: int = 1_000, **positions: int) -> BatchCommitted:
    """A batch; positions are written `a=3`."""
    names = {"a": TOPIC, "hub": HUB_TOPIC}
    return BatchCommitted(BATCHES, version, "o", clock, {names[name]: offset for name, offset in positions.items()})


def stored(accounts: Accounts, batch: BatchCommitted, log: list[InputRecord], *records: StoredRecord) -> Found:
    """Have the accounts take in a batch."""
    return accounts.stored([*records, batch], batch, {TOPIC: log, HUB_TOPIC: []})


# --- the accounts


def test_a_fact_a_repeat_and_a_parked_record_are_found_and_counted() -> None:
    accounts = Accounts(PARTIES)
    log = [arrived(0, "1"), arrived(1, "1"), arrived(2, "2")]
    found = stored(accounts, committed(1, a=3), log, fact(1, "1"), parked(1, 2))
    assert (found.accepted, found.repeats, found.parked) == (1, 1, 1)
    accounts.counted(found, BatchCounts({"A.SOC": 1}, {("A.SOC", "bad_avro"): 1}, {}, 1, 0, 0, {}, {}))
    accounts.close({TOPIC: log})
    with breaks(COUNTED):
        accounts.counted(found, BatchCounts({"A.SOC": 1}, {}, {}, 1, 0, 0, {}, {}))


def test_a_record_that_is_passed_over_is_missed_at_once() -> None:
    with breaks(ACCOUNTED):
        stored(Accounts(PARTIES), committed(1, a=1), [arrived(0, "1")])


def test_a_record_that_is_stored_with_other_content_or_called_a_repeat_is_noticed() -> None:
    with breaks(ACCOUNTED):
        stored(Accounts(PARTIES), committed(1, a=1), [arrived(0, "1", b"other")], fact(1, "1"))
    with breaks(ACCOUNTED):
        log = [arrived(0, "1"), arrived(1, "1", key=b"another's")]
        stored(Accounts(PARTIES), committed(1, a=2), log, fact(1, "1"))


def test_an_event_id_on_two_timelines_or_twice_on_one_is_noticed() -> None:
    twice = [fact(1, "1"), fact(2, "1")], [fact(1, "1"), fact(1, "1")._replace(originator_id="case:2")]
    for records in twice:
        with breaks(ONCE):
            stored(Accounts(PARTIES), committed(1, a=1), [arrived(0, "1")], *records)


def test_holes_in_versions_and_going_back_are_noticed() -> None:
    with breaks(DENSE):
        stored(Accounts(PARTIES), committed(1, a=1), [arrived(0, "1")], fact(2, "1"))
    accounts = Accounts(PARTIES)
    stored(accounts, committed(1, a=1), [arrived(0, "1")], fact(1, "1"))
    with breaks(ONWARD):
        stored(accounts, committed(2, a=0), [arrived(0, "1")])
    with breaks(ONWARD):
        stored(accounts, committed(3, clock=999, a=1), [arrived(0, "1")])


def test_a_parked_record_is_resolved_once_and_parked_again_in_its_own_place() -> None:
    accounts, log = Accounts(PARTIES), [arrived(0, "1")]
    stored(accounts, committed(1, a=1), log, parked(1, 0))
    again = ParkedResolved("parked:A.SOC", 2, 1, "parked_again", 0)
    stored(accounts, committed(2, a=1), log, again, parked(3, 0))
    accounts.close({TOPIC: log})
    with breaks(ACCOUNTED):
        stored(accounts, committed(3, a=1), log, ParkedResolved("parked:A.SOC", 4, 1, "admitted", 0))


def test_a_record_that_a_retry_calls_admitted_must_be_on_a_timeline_and_a_fact_must_come_from_a_record() -> None:
    accounts, log = Accounts(PARTIES), [arrived(0, "1")]
    stored(accounts, committed(1, a=1), log, parked(1, 0))
    stored(accounts, committed(2, a=1), log, ParkedResolved("parked:A.SOC", 2, 1, "admitted", 0))
    with breaks(ACCOUNTED):
        accounts.close({TOPIC: log})
    accounts = Accounts(PARTIES)
    stored(accounts, committed(1, a=1), log, fact(1, "1"), fact(2, "of nowhere"))
    with breaks(ACCOUNTED):
        accounts.close({TOPIC: log})
    with breaks(ACCOUNTED):
        accounts.close({TOPIC: [*log, arrived(1, "2")]})


# --- numbers, decisions, and what is handed over


def statement(name: str) -> Statement:
    """A sound statement about a consent, whose body can be read."""
    author = Author(Random(1))
    consent = author.consent(BEGINNING)
    return consent if name == "ConsentGiven" else next(iter(filter(None, [author.withdrawal(BEGINNING)])))


GIVEN, ENDED = statement("ConsentGiven"), statement("ConsentWithdrawn")
CONSENT = f"C:{GIVEN.payload['consentId']}"


def on_timeline(version: int, said: Statement) -> FactRecorded:
    """A statement as a fact."""
    assert said.value is not None
    schema = int.from_bytes(said.value[1:5], "big")
    return fact(version, said.event_id, said.value[5:], event_type=said.event_type, schema=schema)


def decided(version: int, number: int, shown: Shown, of: int = 2, **more: Any) -> DecisionsRecorded:
    """One decision for B.SOC."""
    decision = Decision(of, "B.SOC", shown, number)
    return DecisionsRecorded(CASE, version, 50, more.get("rules", "rules"), "registry", (decision,))


def numbers(number: int, version: int) -> NumbersAssigned:
    """The run of one number."""
    return NumbersAssigned("sent:B.SOC", number, (NumberAssigned("sent:B.SOC", number, "1", version, 0),))


def handed(number: int, value: bytes | None = b"content", event_id: str = "1") -> OutputRecord:
    """A record for B.SOC."""
    named = (("ce_source", b"urn:party:A.SOC"), ("ce_id", event_id.encode()))
    return OutputRecord("B.SOC", number, KEY, value, (*named, ("hub_seq", b"%d" % number), ("hub_decision", b"drawn")))


def handed_empty(number: int) -> OutputRecord:
    """A record for B.SOC that names no event."""
    named = (("ce_source", b"urn:party:HUB"), ("ce_id", b"drawn"))
    return OutputRecord("B.SOC", number, KEY, None, (*named, ("hub_seq", b"%d" % number), ("hub_decision", b"drawn")))


def disclosures(*records: StoredRecord) -> Disclosures:
    """A shard with one case, on which one fact stands, and what follows."""
    found = Disclosures({"DK": frozenset({"rules"})}, "registry")
    found.stored([CitizenEnrolled(CASE, 1, 0, 0, "DK"), fact(2, "1"), *records], 100)
    return found


def told_by_consent() -> Disclosures:
    """One number that rests on a consent, stored and handed over to nobody yet."""
    return disclosures(on_timeline(3, GIVEN), decided(4, 1, ((CONSENT, 1),)), numbers(1, 4))


def test_what_is_stored_and_newest_may_be_handed_over_again_and_again() -> None:
    found = told_by_consent()
    for _ in range(2):
        found.handed_over(handed(1), KEY, ())
        found.arrived(handed(1))
    found.confirmed({"B.SOC": 1})


def test_numbers_and_decisions_belong_to_each_other() -> None:
    with breaks(DENSE):
        disclosures(decided(3, 1, (("S1", 1),)))
    with breaks(DENSE):
        disclosures(decided(3, 1, (("S1", 1),)), numbers(2, 3))


def test_nothing_is_told_again_but_while_a_resync_is_open() -> None:
    shown = (("S1", 1),)
    twice: list[StoredRecord] = [decided(3, 1, shown), decided(4, 2, (("S2", 1),)), numbers(1, 3), numbers(2, 4)]
    with breaks(TOLD_ONCE):
        disclosures(*twice)
    begun = ResyncStepped("resync:B.SOC", 1, 0, "begun", "request", 0)
    found = disclosures(begun, *twice)
    found.stored([decided(5, 3, shown), numbers(3, 5)], 100)
    found.stored([begun._replace(originator_version=2, step="completed")], 100)
    with breaks(TOLD_ONCE):
        found.stored([decided(6, 4, shown), numbers(4, 6)], 100)


def test_a_decision_cites_rules_and_a_consent_that_stands() -> None:
    with breaks(CITED):
        disclosures(decided(3, 0, (("S1", 1),), rules="others"))
    with breaks(CITED):
        disclosures(decided(3, 0, ((CONSENT, 1),)))
    with breaks(CITED):
        disclosures(decided(3, 0, (("S1", 1),), of=9))
    with breaks(WITHDRAWN):
        disclosures(on_timeline(3, GIVEN), on_timeline(4, ENDED), decided(5, 0, ((CONSENT, 1),)))


def test_nothing_is_handed_over_that_is_not_stored_or_is_about_something_else() -> None:
    with breaks(STORED_FIRST):
        disclosures().handed_over(handed(1), KEY, ())
    with breaks(STORED_FIRST):
        told_by_consent().handed_over(handed(1, event_id="2"), KEY, ())
    with breaks(STORED_FIRST):
        told_by_consent().handed_over(handed(1), b"another's key", ())


def test_content_that_a_withdrawal_has_overtaken_is_noticed_unless_it_lies_on_the_topic_already() -> None:
    found = told_by_consent()
    found.stored([on_timeline(5, ENDED)], 200)
    with breaks(WITHDRAWN):
        found.handed_over(handed(1), KEY, ())
    found.stored([decided(6, 2, ()), numbers(2, 6)], 200)
    with breaks(WITHDRAWN):
        found.handed_over(handed(1), KEY, ())
    found.handed_over(handed(1, None), KEY, ())
    found.arrived(handed(1))
    found.handed_over(handed(1), KEY, ())


def test_a_record_that_names_nothing_where_something_is_shown_or_may_arrive_is_noticed() -> None:
    found = told_by_consent()
    with breaks(STORED_FIRST):
        found.handed_over(handed_empty(1), KEY, ())
    with breaks(STORED_FIRST):
        found.handed_over(handed_empty(1), b"another's key", ())
    overtaken = decided(5, 2, ()), numbers(2, 5)
    found.stored(overtaken, 200)
    found.handed_over(handed_empty(1), KEY, ())
    found.handed_over(handed_empty(2), KEY, ())
    found = told_by_consent()
    found.handed_over(handed(1), KEY, ())
    found.stored(overtaken, 200)
    for number in (1, 2):
        with breaks(WITHDRAWN):
            found.handed_over(handed_empty(number), KEY, ())


def test_content_whose_withdrawal_lies_there_unread_is_noticed() -> None:
    found = told_by_consent()
    lies_there = [Unread(GIVEN.payload["consentId"], "1", TOPIC, 0, 1_000)]
    found.handed_over(handed(1), KEY, ())
    with breaks(WITHDRAWN):
        found.handed_over(handed(1), KEY, lies_there)


def test_a_gap_on_a_topic_two_contents_and_an_early_confirmation_are_noticed() -> None:
    found = disclosures()
    with breaks(DENSE):
        found.arrived(handed(2))
    found = disclosures()
    with breaks(CONFIRMED):
        found.confirmed({"B.SOC": 1})
    found.arrived(handed(1))
    with breaks(STORED_FIRST):
        found.arrived(handed(1, b"other"))


# --- the end


def test_a_fold_drops_repeats_and_takes_back_and_a_view_must_be_equal_to_it() -> None:
    def lies(offset: int, record: OutputRecord) -> InputRecord:
        return InputRecord("out", 0, offset, 0, record.key, record.value, record.headers)

    seen, last = fold([lies(0, handed(1, GIVEN.value)), lies(1, handed(2, None)), lies(2, handed(1, GIVEN.value))])
    assert (seen, last) == ({}, 2)
    seen, last = fold([lies(0, handed(1, GIVEN.value))])
    ((place, payload),) = seen.items()
    event = VisibleEvent(place[0], "1", "A.SOC", "ConsentGiven", 0, 0, payload, None)
    view_equals_fold("B.SOC", [event], seen)
    with breaks(VIEWED):
        view_equals_fold("B.SOC", [], seen)
    with breaks(DENSE):
        fold([lies(0, handed(2, None))])


def test_a_killed_program_stays_killed() -> None:
    program = Program("one", points_left=1)
    program.reach("the first")
    for point in ("the second", "the third"):
        with pytest.raises(Killed, match="the second"):
            program.reach(point)

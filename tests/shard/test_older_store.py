"""A store that goes back is older than what was told from it: what it gives out again would be dropped as a repeat."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.store import PartyStore
from consumers.subscription import Subscription
from contracts.fact import ce_id_of
from contracts.failures import ForeignStore
from contracts.parties import PartyRegistry
from deploy.scenario.simulated_broker import SimulatedOutputs, SimulatedSource
from hub.continuity.clock_terms import clock_terms
from hub.shard.older_store import Ahead, Skipped, skip_what_was_told, told_ahead
from hub.shard.resyncing import COMPLETED
from hub.store.checking import check_store
from hub.store.sqlite import open_store
from tests.shard.harness import CASE, HOUR_MS, IDENTITY, START, ShardUnderTest, imprisonment
from tests.shard.resyncs import PARTY, two_citizens
from tests.shard.test_disclosing import given, withdrawn
from tests.shard.test_parked_lines import retry
from tests.shard.test_withdrawals import acknowledged

GIVEN = 2
"""How many numbers the copy has given out to `PARTY`: for a consent, and for a custody that it opens."""
AMENDED = 5
CUSTODY = "c0000000-0000-4000-8000-000000000000"


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    """A hub of whose store a copy was taken; since then `PARTY` was told some numbers more, all of one fact."""
    hub = two_citizens(tmp_path)
    hub.store.close()
    shutil.copy(tmp_path / "shard-0.db", tmp_path / "copy.db")
    begin_again(hub)
    for revision in range(AMENDED):
        amend(hub, revision + 1)
    return hub


def amend(hub: ShardUnderTest, revision: int) -> None:
    """State anew for how long somebody is in custody of whom the consent lets `PARTY` know it."""
    custody = imprisonment(START) | {"custodyId": CUSTODY, "sentenceDays": 480 + revision}
    hub.state("PRI", "ImprisonmentStarted", custody, "start 0", revision=revision)
    hub.tick(HOUR_MS)
    hub.settle()


def begin_again(hub: ShardUnderTest) -> None:
    """Open the shard from its store, which is closed."""
    hub.store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    try:
        hub.shard = hub._build()
    except BaseException:
        hub.store.close()
        raise


def go_back(hub: ShardUnderTest) -> None:
    """Put the copy in place of the store."""
    hub.store.close()
    for lost in hub.directory.glob("shard-0.db*"):
        lost.unlink()
    shutil.copy(hub.directory / "copy.db", hub.directory / "shard-0.db")


def skip(hub: ShardUnderTest) -> Skipped:
    """What `hub store skip` does while the shard is closed."""
    store = open_store(hub.directory / "shard-0.db", IDENTITY, hub.keys)
    try:
        return skip_what_was_told(SimulatedOutputs(hub.broker, hub.names, 0), store, hub.registry)
    finally:
        store.close()


def last_told(hub: ShardUnderTest, party: str = PARTY) -> int:
    return max(number for number, *_ in hub.told(party))


@contextmanager
def receiving(hub: ShardUnderTest) -> Iterator[tuple[PartyStore, Subscription]]:
    """The receiver, which has read all that lies there."""
    with PartyStore.create(hub.directory / "receiver.db", PARTY) as store:
        subscription = Subscription(PARTY, SimulatedSource(hub.broker, hub.names, PARTY), store)
        read(subscription)
        yield store, subscription
        subscription.close()


def read(subscription: Subscription) -> None:
    while subscription.advance(0.0):
        pass


def shown(store: PartyStore) -> set[str]:
    """The types of what the receiver shows of the agencies."""
    return {event.event_type for event in store.visible() if event.party != "HUB"}


def test_a_store_that_went_back_opens_no_shard(hub: ShardUnderTest) -> None:
    last, sent = last_told(hub), len(hub.told(PARTY))
    go_back(hub)
    told = rf"`{PARTY}` up to `{last}` and not `{GIVEN}`"
    with pytest.raises(ForeignStore, match=f"older than what was told .*{told}.*`hub store skip`"):
        begin_again(hub)
    assert len(hub.told(PARTY)) == sent


def test_what_rested_on_a_consent_is_dropped_though_the_store_no_longer_knows_that_it_was_told(
    hub: ShardUnderTest,
) -> None:
    """The store goes back, the consent is withdrawn, and the receiver, which was told so much more, shows nothing."""
    another = imprisonment(START) | {"custodyId": f"{CUSTODY[:-1]}9"}
    event_id = hub.state("PRI", "ImprisonmentStarted", another, "another")
    hub.tick(HOUR_MS)
    hub.settle()
    with receiving(hub) as (store, subscription):
        assert event_id in {f"{event.party}/{event.event_id}" for event in store.visible()}
        go_back(hub)
        withdrawn(hub)
        assert skip(hub).told[PARTY] == Ahead(last_told(hub), GIVEN)
        begin_again(hub)
        hub.tick(1)
        hub.settle()
        read(subscription)
        assert shown(store) == {"ConsentGiven", "ConsentWithdrawn"}
        assert not store.filling()
        assert subscription.numbers() == {0: last_told(hub)}
    assert hub.store.resyncs()[PARTY].step == COMPLETED


@pytest.mark.parametrize("behind", [0, 2, 10, 16])
def test_a_receiver_holds_what_it_may_see_however_far_it_had_read(hub: ShardUnderTest, behind: int) -> None:
    log = hub.broker.log(hub.names.output(PARTY), 0)
    unread = [log.pop() for _ in range(behind)]
    with receiving(hub) as (store, subscription):
        log.extend(reversed(unread))
        go_back(hub)
        skip(hub)
        begin_again(hub)
        hub.tick(1)
        hub.settle()
        read(subscription)
        held = {f"{event.party}/{event.event_id}" for event in store.visible() if event.party != "HUB"}
        assert held == {event_id for event_id in hub.view(PARTY) if not event_id.startswith("HUB/")}
        assert shown(store) == {"ConsentGiven", "ImprisonmentStarted"}


def test_numbers_are_dense_again_behind_the_one_that_nobody_is_told(hub: ShardUnderTest) -> None:
    last = last_told(hub)
    others = {party: given for party, given in hub.store.head().numbers.items() if party != PARTY}
    go_back(hub)
    skipped = skip(hub).told
    assert not skip(hub)
    begin_again(hub)
    assert hub.store.head().numbers[PARTY] == hub.store.send_positions()[PARTY] == last + 1
    assert hub.store.numbers(PARTY, GIVEN, 9) == []
    hub.tick(1)
    hub.settle()
    numbers = [number for number, *_ in hub.told(PARTY)]
    assert numbers[last:] == list(range(last + 2, numbers[-1] + 1))
    assert check_store(0, hub.store).faults == []
    assert all(hub.store.head().numbers[party] >= given for party, given in others.items() if party not in skipped)
    hub.store.close()
    begin_again(hub)


def test_what_was_parked_and_resolved_since_the_copy_is_parked_anew_under_a_number_of_its_own(
    hub: ShardUnderTest,
) -> None:
    """Its key is destroyed for ever: under the same number no record could be stored, and the shard stood still."""
    stranger = CASE.replace("0", "e")
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "unknown", case_id=stranger)
    hub.settle()
    hub.tick(clock_terms().parked_for_seconds * 1_000)
    hub.settle()
    ((_, resolved),) = hub.store.parked("PRI")
    assert resolved is not None
    go_back(hub)
    assert skip(hub).parked == {"PRI": 1}
    assert not skip(hub)
    begin_again(hub)
    hub.settle()
    assert [number for number, _ in outcomes_of("PRI", hub)] == [2]
    assert check_store(0, hub.store).faults == []
    hub.store.close()
    begin_again(hub)


def test_what_was_parked_before_the_copy_and_admitted_since_is_told_as_lost(tmp_path: Path) -> None:
    """Its bytes ended with its admission, and the store knows of no admission: nobody else would ever say so."""
    hub = two_citizens(tmp_path)
    late = "0e000000-0000-4000-8000-000000000000"
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "early", case_id=late)
    hub.settle()
    hub.store.close()
    shutil.copy(tmp_path / "shard-0.db", tmp_path / "copy.db")
    begin_again(hub)
    hub.enrol(late)
    retry(hub, 1)
    assert outcomes_of("PRI", hub) == [(1, "admitted")]
    go_back(hub)
    assert skip(hub).lost == skip(hub).lost == {"PRI": [1]}
    begin_again(hub)
    hub.settle()
    assert outcomes_of("PRI", hub) == [(1, "")]
    assert check_store(0, hub.store).faults == []


def outcomes_of(party: str, hub: ShardUnderTest) -> list[tuple[int, str]]:
    """The number of each parked record, and what became of it."""
    return [(one.originator_version, resolved.outcome if resolved else "") for one, resolved in hub.store.parked(party)]


def test_a_number_that_was_handed_over_again_hides_none_before_it(hub: ShardUnderTest) -> None:
    """A worker that was killed while it sent again what was not confirmed leaves a lower number at the end."""
    log = hub.broker.log(hub.names.output(PARTY), 0)
    hub.broker.append(log[0].topic, 0, log[0].key, log[0].value, log[0].headers)
    go_back(hub)
    with pytest.raises(ForeignStore, match="older than what was told"):
        begin_again(hub)


def test_a_strange_record_at_the_end_stops_no_shard_and_hides_nothing(hub: ShardUnderTest) -> None:
    topic = hub.names.output(PARTY)
    for headers in ((), (("hub_seq", b"many"),), (("hub_seq", b"9"),) * 2, (("hub_seq", b"9" * 40),)):
        hub.broker.append(topic, 0, b"key", b"value", headers)
    hub.store.close()
    begin_again(hub)
    go_back(hub)
    with pytest.raises(ForeignStore, match="older than what was told"):
        begin_again(hub)


def test_an_owner_that_is_still_at_work_is_no_newer_store(hub: ShardUnderTest) -> None:
    """What it stores and sends while the ends of the topics are looked at is in the store by then."""

    class Meanwhile(SimulatedOutputs):
        def last_numbers(self, parties: Iterable[str]) -> Mapping[str, int]:
            amend(hub, AMENDED + 1)
            return super().last_numbers(parties)

    last = last_told(hub)
    assert told_ahead(Meanwhile(hub.broker, hub.names, 0), hub.store, hub.parties) == {}
    assert last_told(hub) > last


def test_a_party_without_a_topic_says_nothing(hub: ShardUnderTest) -> None:
    outputs = SimulatedOutputs(hub.broker, hub.names, 0)
    assert set(outputs.last_numbers([PARTY, "C.SOC"])) == {PARTY}


def test_a_withdrawal_waits_for_whoever_was_told_more_until_it_is_sent_the_mark_at_which_it_begins_anew(
    tmp_path: Path,
) -> None:
    """The store does not know what the lost one had told to whom: a receiver out of reach may show anything."""
    hub = ShardUnderTest(tmp_path)
    hub.enrol()
    hub.settle()
    hub.store.close()
    shutil.copy(tmp_path / "shard-0.db", tmp_path / "copy.db")
    begin_again(hub)
    hub.state("PRI", "ImprisonmentStarted", imprisonment(START), "start")
    given(hub, ["CU", "OF"], ["A.ADD", PARTY])
    hub.settle()
    hub.tick(HOUR_MS)
    hub.settle()
    with receiving(hub) as (store, subscription):
        go_back(hub)
        skip(hub)
        withdrawal = withdrawn(hub)
        hub.tick(HOUR_MS)
        hub.broker.unreachable.add(hub.names.output(PARTY))
        for _ in range(2):
            begin_again(hub)
            for _ in range(50):
                hub.shard.step(0.0)
            read(subscription)
            assert "ImprisonmentStarted" in shown(store)
            assert acknowledged(hub) == []
            hub.store.close()
        hub.broker.unreachable.clear()
        begin_again(hub)
        hub.settle()
        read(subscription)
        assert shown(store) == {"ConsentGiven", "ConsentWithdrawn"}
        assert acknowledged(hub) == [ce_id_of(withdrawal)]


def test_nobody_waits_for_a_party_that_was_told_more_and_takes_part_no_more(hub: ShardUnderTest) -> None:
    go_back(hub)
    skip(hub)
    hub.registry = PartyRegistry.of(replace(party, left=party.id == PARTY) for party in hub.registry)
    withdrawal = withdrawn(hub)
    hub.tick(HOUR_MS)
    begin_again(hub)
    hub.tick(1)
    hub.settle()
    assert acknowledged(hub) == [ce_id_of(withdrawal)]

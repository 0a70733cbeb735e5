"""A small year of releases: everything accounted for, and the indicators equal what the lives were drawn to come to."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from contracts.catalogue import catalogue
from contracts.civil_time import instant_of, moment_of
from contracts.fact import Fact
from contracts.models import checked
from deploy.benchmark import year_report
from deploy.benchmark.life_facts import (
    CONTINUED_DAYS,
    DAYS_OF_RELEASES,
    FIRST_RELEASE,
    LONGEST_AFTER,
    LONGEST_BEFORE,
    MUNICIPAL_ROLES,
    Life,
    LifeFact,
)
from deploy.benchmark.lives import life
from deploy.benchmark.year import DAY_MS, SECRET, CountingOutputs, Size, Year, lives_of, registry_of
from deploy.command_line import hub
from hub.broker.ports import OutputRecord
from hub.consent.policies import Policies
from hub.consent.standing import Person
from hub.continuity.case import Known, KnownCase
from hub.continuity.measures import Release, releases_of
from hub.continuity.terms import terms
from hub.store.keys import KeyStore
from hub.store.places import keys_path, store_path
from hub.store.records import FactRecorded
from hub.store.sqlite import open_for_reading
from producers.publisher import Publisher
from producers.transport import Transport
from tests.producers.recording_transport import RecordingTransport

SMALL = Size(municipalities=3, releases=6, partitions=2, seed=11)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Year, list[Release], Path]:
    directory = tmp_path_factory.mktemp("year")
    year = Year(SMALL, directory)
    days: list[int] = []
    year.play(days.append)
    assert sum(days) == SMALL.days
    read: list[int] = []
    releases = year.releases(read.append)
    assert sum(read) == SMALL.cases
    return year, releases, directory


def _stated(fact: LifeFact) -> tuple[str, str, str, int]:
    """What makes two sendings the same fact."""
    return fact.party, fact.retracts or fact.event_type, f"{fact.reference}{bool(fact.retracts)}", fact.revision


# --- the hub's side


def test_everything_that_was_sent_is_accounted_for(played: tuple[Year, list[Release], Path]) -> None:
    year, _, directory = played
    sent = [fact for one in lives_of(SMALL) for fact in one.facts]
    astray = sum(fact.key_of_nobody for fact in sent)
    facts = {(one.case_id, *_stated(fact)) for one in lives_of(SMALL) for fact in one.facts if not fact.key_of_nobody}
    counted = year.counted
    assert (counted.sent, counted.parked, counted.undecided) == (len(sent), astray, 0)
    assert (counted.admitted, counted.repeats) == (len(facts), len(sent) - astray - len(facts))
    assert min(astray, counted.repeats, counted.told["retracted"]) > 0, "another seed: nothing went wrong in this year"

    stored: Counter[str] = Counter()
    keys = KeyStore.in_file(keys_path(directory), SECRET, read_only=True)
    for number in range(SMALL.partitions):
        store = open_for_reading(store_path(directory, number), keys)
        records = [record for case_id in store.cases() for record in store.case_records(case_id)]
        stored.update(record.party for record in records if isinstance(record, FactRecorded) and record.party != "HUB")
        assert {parked.reason for parked, _ in store.parked()} <= {"unknown_key"}
        stored["parked"] += len(list(store.parked()))
        store.close()
    keys.close()
    assert stored.pop("parked") == astray
    assert stored == Counter(party for _, party, *_ in facts)


def test_the_indicators_say_what_each_life_was_drawn_to_come_to(played: tuple[Year, list[Release], Path]) -> None:
    year, releases, _ = played
    assert len(releases) == SMALL.cases
    assert year.differing(releases) == []
    assert {release.kind for release in releases} == {"PAROLE", "END_OF_SENTENCE", "REMAND"}
    # The comparison notices one release more, one fewer, and one that says something else.
    first = releases[0]
    assert year.differing(releases[1:]) == [first.person]
    assert year.differing([*releases, dataclasses.replace(first, person="nobody")]) == ["nobody"]
    for changed in ({"month": "2024-01"}, {"bands": {**first.bands, "I18_returned": 9}}, {"municipality": "999"}):
        assert year.differing([dataclasses.replace(first, **changed), *releases[1:]]) == [first.person]


def test_the_indicators_equal_those_of_the_facts_without_any_hub(played: tuple[Year, list[Release], Path]) -> None:
    """Every measure of every release: through shards and stores, and straight from what the agencies stated."""
    _, releases, _ = played
    stored = {release.person: release for release in releases}
    policies = Policies.load(registry_of(SMALL))
    for one in lives_of(SMALL):
        facts = list(_recorded(one))
        at = max(known.fact.recorded_at for known in facts) + DAY_MS * 2_000
        case = KnownCase.of(facts, Person(one.born, "DK"), at, policies.in_force("DK", at), terms())
        (straight,) = releases_of(case, one.case_id)
        hub_says = stored[one.case_id]
        assert hub_says.groups == straight.groups
        assert _settled(hub_says) == _settled(straight)


def _settled(release: Release) -> dict[str, object]:
    """What a release says that does not go on changing with the cut-off, which differs between the two."""
    moving = ("I15_active", "I15_laps", "I5_gap", "I13")
    return {name: value for name, value in {**release.bands, **release.spreads}.items() if not name.startswith(moving)}


def _recorded(one: Life) -> Iterator[Known]:
    """The facts of a life as a hub would have recorded them, each with its death."""
    ends: dict[str, int] = {}
    found: dict[str, Fact] = {}
    for sent in one.facts:
        if sent.key_of_nobody:
            continue
        publisher = Publisher(sent.party, _transport(), sent.party.encode().ljust(32, b"\x01"), "year")
        reference = f"{one.case_id}/{sent.reference}"
        name = sent.retracts or sent.event_type
        target = f"{sent.party}/{publisher.event_id(name, reference, max(0, sent.revision - 1))}"
        if sent.retracts:
            ends[target] = sent.recorded_at
            continue
        if sent.revision:
            ends[target] = sent.recorded_at
        event_id = f"{sent.party}/{publisher.event_id(name, reference, sent.revision)}"
        occurred_at = instant_of(sent.occurred_at)
        payload = checked(catalogue().event_types[name], {**sent.values, "occurredAt": moment_of(occurred_at)})
        fact = Fact(event_id, name, sent.party, occurred_at, sent.recorded_at, payload)
        found.setdefault(event_id, fact)
    for event_id, fact in found.items():
        yield Known(fact, ends.get(event_id))


def _transport() -> Transport:
    return RecordingTransport()


# --- the lives


def test_a_life_follows_from_its_seed_and_no_two_are_alike() -> None:
    assert life(1, "001", 7) == life(1, "001", 7)
    others = [life(2, "001", 7), life(1, "002", 7), life(1, "001", 8)]
    assert len({one.case_id for one in (life(1, "001", 7), *others)}) == 4


def test_lives_are_plausible() -> None:
    lives = [life(1, "001", number) for number in range(400)]
    lengths = [len(one.facts) for one in lives]
    assert 17 < sum(lengths) / len(lengths) < 23
    first = instant_of(moment_of(0)) + (FIRST_RELEASE.toordinal() - 719_163 - LONGEST_BEFORE) * DAY_MS
    last = first + (LONGEST_BEFORE + DAYS_OF_RELEASES + LONGEST_AFTER) * DAY_MS
    for one in lives:
        assert all(first <= fact.recorded_at < last for fact in one.facts)
        assert all(instant_of(fact.occurred_at) <= fact.recorded_at for fact in one.facts)
        assert [fact.recorded_at for fact in one.facts] == sorted(fact.recorded_at for fact in one.facts)
    roles = {party.rpartition(".")[2] for one in lives for party in one.publishers}
    assert roles >= {*MUNICIPAL_ROLES, "PRI", "KIF"}
    outcomes = [one.outcome for one in lives]
    assert {outcome.continued for outcome in outcomes} == {None, *range(len(CONTINUED_DAYS) + 1)}
    assert {outcome.returned for outcome in outcomes} == {0, 1, 2, 3}
    assert {outcome.without_housing for outcome in outcomes} == {outcome.without_income for outcome in outcomes}
    late = [fact for one in lives for fact in one.facts if fact.recorded_at - instant_of(fact.occurred_at) > DAY_MS]
    assert len(late) > 100


def test_a_number_out_of_turn_stops_the_year() -> None:
    outputs = CountingOutputs(Counter())
    outputs.send([OutputRecord("PRI", 1, b"k", b"v", []), OutputRecord("PRI", 2, b"k", None, [])])
    assert outputs.confirmed() == {"PRI": 2}
    with pytest.raises(AssertionError, match="out of turn"):
        outputs.send([OutputRecord("PRI", 4, b"k", b"v", [])])


# --- the command


def test_the_command_says_what_became_of_a_year(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(year_report, "spare_the_collector", lambda: None)
    words = ["bench", "--year", "--municipalities", "1", "--releases", "2", "--seed", "3"]
    result = CliRunner().invoke(hub, [*words, "--json"])
    assert result.exit_code == 0, result.exception
    figures = json.loads(result.stdout)
    assert (figures["cases"], figures["releases"], figures["differing"], figures["undecided"]) == (2, 2, 0, 0)
    assert figures["sent"] == figures["admitted"] + figures["repeats"] + figures["parked"] > 20
    assert figures["seconds_played"] > 0
    assert figures["lines"] == 0, "two citizens are too few to show anything of"

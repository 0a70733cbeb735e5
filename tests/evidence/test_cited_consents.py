"""Which consent, and which version of it, the disclosure log cites: the one on which the decision was made."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from hub.evidence.disclosures import Seen, seen_between
from hub.evidence.replay import replay
from tests.shard.harness import CASE, DAY_MS, ShardUnderTest, consent, imprisonment
from tests.shard.merging import LOSER, SAME_SHARD, WINNER, MergingShards, consented, dated, hour, imprisoned
from tests.shard.resyncs import ask

FIRST = "d0000000-0000-4000-8000-000000000001"
SECOND = "d0000000-0000-4000-8000-000000000002"


def log_of(hub: ShardUnderTest) -> list[Seen]:
    """What B.SOC saw of the imprisonment."""
    reader, policies = hub.shard.cases.reader, hub.shard.cases.policies
    replayed = replay(hub.store.case_records(CASE), CASE, reader)
    entries = seen_between(replayed, reader, lambda _: policies)
    return [one for one in entries if (one.party, one.event_type) == ("B.SOC", "ImprisonmentStarted")]


def versions(entries: list[Seen]) -> list[list[int | None]]:
    return [[one.version for one in each.consents] for each in entries]


def imprisoned_hub(path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(path)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    return hub


def given_on(hub: ShardUnderTest, day: date) -> dict[str, Any]:
    return consent(hub.now, ["CU"], ["B.SOC"]) | {"dataFrom": day}


def test_what_a_resync_tells_on_another_basis_is_in_the_log(tmp_path: Path) -> None:
    hub = imprisoned_hub(tmp_path)
    hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU"], ["B.SOC"]), "given")
    hub.settle()
    hub.tick(DAY_MS)
    hub.state("PRI", "ConsentGiven", given_on(hub, date(2025, 1, 1)) | {"consentId": SECOND}, "given again")
    hub.settle()
    hub.tick(DAY_MS)
    withdrawn_at = hub.now
    hub.state("PRI", "ConsentWithdrawn", {"consentId": FIRST, "at": hub.now, "by": "SUBJECT"}, "withdrawn")
    ask(hub, "B.SOC")
    hub.settle()
    last = log_of(hub)[-1]
    assert (last.since, last.until) == (withdrawn_at, None)
    assert [one.consent_id for one in last.consents] == [SECOND]
    assert last.number > 0


def test_what_a_resync_tells_on_the_same_basis_was_seen_all_the_time(tmp_path: Path) -> None:
    hub = imprisoned_hub(tmp_path)
    hub.state("PRI", "ConsentGiven", consent(hub.now, ["CU"], ["B.SOC"]), "given")
    hub.settle()
    (before,) = log_of(hub)
    hub.tick(DAY_MS)
    ask(hub, "B.SOC")
    hub.settle()
    replayed = replay(hub.store.case_records(CASE), CASE, hub.shard.cases.reader)
    assert any(telling.again for fact in replayed.facts for telling in fact.tellings)
    assert log_of(hub) == [before]


def test_a_disclosure_cites_the_version_that_was_known_when_it_was_decided(tmp_path: Path) -> None:
    hub = imprisoned_hub(tmp_path)
    given = consent(hub.now, ["CU"], ["B.SOC"])
    hub.state("PRI", "ConsentGiven", given, "given")
    hub.settle()
    # In the same millisecond, in the next batch.
    hub.state("PRI", "ConsentAmended", {**given, "version": 2, "categories": ["CU", "OF"]}, "amended")
    hub.settle()
    assert versions(log_of(hub)) == [[1], [2]]


def test_a_disclosure_cites_the_amendment_also_after_the_id_was_corrected(tmp_path: Path) -> None:
    hub = imprisoned_hub(tmp_path)
    given = given_on(hub, date(2025, 1, 1))
    hub.state("PRI", "ConsentGiven", given, "given")
    hub.settle()
    hub.tick(DAY_MS)
    hub.state("PRI", "ConsentAmended", {**given, "version": 2, "at": hub.now, "categories": ["CU", "OF"]}, "amended")
    hub.settle()
    hub.tick(DAY_MS)
    hub.state("PRI", "ConsentGiven", {**given, "consentId": SECOND}, "given", revision=1)
    hub.settle()
    assert hub.parked() == []
    last = log_of(hub)[-1]
    assert "offenceGroup" in last.fields
    assert last.until is None
    assert versions([last]) == [[2]]


def test_an_amendment_of_an_earlier_consent_of_that_id_is_not_cited(tmp_path: Path) -> None:
    hub = imprisoned_hub(tmp_path)
    given = given_on(hub, date(2025, 1, 1))
    first = hub.state("PRI", "ConsentGiven", given, "given")
    hub.settle()
    hub.tick(DAY_MS)
    hub.state("PRI", "ConsentAmended", {**given, "version": 2, "at": hub.now, "categories": ["EM"]}, "amended")
    hub.settle()
    hub.tick(DAY_MS)
    taken_back = {"targetEventId": first.partition("/")[2], "at": hub.now, "reason": "WRONG_PERSON"}
    hub.state("PRI", "EventRetracted", taken_back, "back")
    hub.settle()
    hub.tick(DAY_MS)
    hub.state("PRI", "ConsentGiven", {**given, "at": hub.now, "validFrom": hub.now, "evidenceRef": "e2"}, "given anew")
    hub.settle()
    assert hub.parked() == []
    last = log_of(hub)[-1]
    assert last.until is None
    assert versions([last]) == [[1]]


def test_a_disclosure_of_the_first_of_two_stays_cites_its_consent(tmp_path: Path) -> None:
    """The other case is merged here, leaves, and is merged again; what its first stay showed cites it all the time."""
    hub = MergingShards(tmp_path, SAME_SHARD)
    imprisoned(hub, LOSER)
    consented(hub, LOSER)
    dated(hub, LOSER)
    hub.settle()
    reader, policies = hub.shards[0].cases.reader, hub.shards[0].cases.policies
    cited = []
    for happens in (hub.merge, hub.unlink, hub.merge):
        hour(hub)
        happens()
        hub.settle()
        replayed = replay(hub.stores[0].case_records(WINNER), WINNER, reader)
        entries = seen_between(replayed, reader, lambda _: policies)
        first = min((each for each in entries if each.consents), key=lambda each: each.since)
        cited.append(first.consents)
    assert cited[0][0].version == 1
    assert cited == [cited[0]] * 3

"""How long a parked record is kept, what becomes of it then, and how much of that is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.reasons import Reason
from hub.continuity.clock_terms import clock_terms
from hub.metrics import Metrics
from hub.shard import parking
from tests.shard.harness import CASE, DAY_MS, PARTIES, ShardUnderTest, imprisonment
from tests.shard.test_control_records import outcomes
from tests.shard.test_parked_lines import retry, waiting
from tests.shard.test_signatures import case_opened

KEPT_MS = clock_terms().parked_for_seconds * 1_000


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, parties=(*PARTIES, "C.SOC"))
    hub.settle()
    return hub


def test_a_record_expires_when_its_time_is_over_and_not_before(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    (name,) = hub.keys.live_names("shard:0/")
    hub.tick(KEPT_MS - 1)
    hub.settle()
    assert len(waiting(hub)) == 1
    hub.tick(1)
    hub.settle()
    ((parked, resolved),) = hub.store.parked("PRI")
    assert resolved is not None
    assert (parked.reason, parked.key, parked.value, parked.headers) == (Reason.UNKNOWN_KEY, None, None, ())
    assert (resolved.outcome, resolved.recorded_at) == ("expired", hub.now)
    assert hub.keys.live_names(name) == []
    assert hub.store.open_parked() == []
    hub.enrol()
    retry(hub, 1)
    assert outcomes(hub, "PRI") == ["expired"]
    assert hub.parked() == [parked]


def test_retries_do_not_lengthen_the_time(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    hub.tick(KEPT_MS - DAY_MS)
    retry(hub, 1)
    hub.restart()
    hub.tick(DAY_MS)
    hub.settle()
    assert outcomes(hub, "PRI") == ["parked_again", "expired"]


def test_a_retry_after_the_end_does_nothing_also_before_the_record_has_expired(hub: ShardUnderTest) -> None:
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    hub.settle()
    hub.enrol()
    hub.tick(KEPT_MS)
    retry(hub, 1)
    assert outcomes(hub, "PRI") == ["expired"]
    assert hub.view("PRI") == {}


def test_so_many_expire_in_a_batch_the_oldest_first_and_the_others_with_the_next_ones(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "EXPIRED_MAX", 2)
    for number in range(3):
        case_opened(hub, str(number), None)
        hub.tick(1)
    hub.settle()
    hub.tick(KEPT_MS)
    hub.settle()
    assert outcomes(hub, "A.SOC") == ["expired", "expired", None]
    hub.tick(1)
    hub.settle()
    assert outcomes(hub, "A.SOC") == ["expired", "expired", "expired"]


def test_a_retry_of_one_that_is_over_and_waits_for_its_turn_to_expire_does_nothing(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parking, "EXPIRED_MAX", 1)
    case_opened(hub, "the only one that expires in the first batch", None)
    hub.control.publish(0, "KeyIssued", {"caseId": CASE, "party": "PRI", "key": hub.key("PRI")})
    hub.settle()
    hub.enrol()
    hub.settle()
    assert len(hub.parked()) == 2
    hub.tick(KEPT_MS)
    hub.control.publish(0, "ParkedRetried", {"party": "HUB", "parkedNumber": 1})
    hub.settle()
    assert (outcomes(hub, "A.SOC"), outcomes(hub, "HUB")) == (["expired"], [None])
    hub.tick(1)
    hub.settle()
    assert outcomes(hub, "HUB") == ["expired"]


# --- what is counted


def sample(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(name, labels) or 0.0


def test_accepted_repeated_and_parked_are_what_was_received_whatever_is_retried_and_expires(
    hub: ShardUnderTest,
) -> None:
    metrics = hub.shard.metrics
    received = 0
    for reference in ("one", "one", "two", "three"):
        case_opened(hub, reference, None)
        received += 1
    hub.settle()
    retry(hub, 1, "A.SOC")
    hub.enrol()
    case_opened(hub, "two", None)
    case_opened(hub, "four", None)
    received += 2
    hub.append("A.SOC", hub.last_input("A.SOC")._replace(value=None))
    received += 1
    retry(hub, 2, "A.SOC")
    hub.tick(KEPT_MS)
    hub.settle()

    def resolved(outcome: str) -> float:
        return sample(metrics, "hub_parked_resolved_total", party="A.SOC", outcome=outcome)

    ingested = sample(metrics, "hub_ingested_total", party="A.SOC")
    repeats = sample(metrics, "hub_repeats_total")
    parked = sum(sample(metrics, "hub_parked_total", party="A.SOC", reason=reason) for reason in Reason)
    assert (ingested, resolved("admitted"), resolved("parked_again"), resolved("expired")) == (4, 4, 1, 1)
    assert ingested + repeats + parked - resolved("admitted") - resolved("parked_again") == received
    assert sample(metrics, "hub_parked_records", shard="0", party="A.SOC") == 0


def test_how_many_wait_and_how_old_the_oldest_is_is_shown_of_each_party(hub: ShardUnderTest) -> None:
    metrics = hub.shard.metrics
    case_opened(hub, "one", None)
    hub.tick(90_000)
    case_opened(hub, "two", None)
    hub.settle()
    hub.tick(10_000)
    hub.settle()
    shown = [
        (sample(metrics, name, shard="0", party="A.SOC"), sample(metrics, name, shard="0", party="PRI"))
        for name in ("hub_parked_records", "hub_oldest_parked_seconds")
    ]
    assert shown == [(2, 0), (100.001, 0)]


def test_what_the_hub_tells_itself_and_signs_of_life_are_no_part_of_what_was_received(hub: ShardUnderTest) -> None:
    metrics = hub.shard.metrics
    hub.enrol()
    case_opened(hub, "one", None)
    case_opened(hub, "one", None)
    hub.append("A.SOC", hub.last_input("A.SOC")._replace(value=None))
    hub.settle()
    received = len(hub.broker.log(hub.names.input("A.SOC"), 0))
    hub.enrol()  # as identity says each time an agency asks for its key
    for _ in range(2):
        retry(hub, 1, "A.SOC")  # the second one finds nothing to do
    hub.publisher("A.SOC")._clock = lambda: hub.now
    hub.publisher("A.SOC").alive()
    hub.settle()
    ingested = sample(metrics, "hub_ingested_total", party="A.SOC")
    repeats = sample(metrics, "hub_repeats_total")
    parked = sum(sample(metrics, "hub_parked_total", party="A.SOC", reason=reason) for reason in Reason)
    again = sample(metrics, "hub_parked_resolved_total", party="A.SOC", outcome="parked_again")
    assert (ingested, repeats, parked, again) == (1, 1, 2, 1)
    assert ingested + repeats + parked - again == received

"""`/metrics` of a running hub: every metric is there, counts right, listens on this machine only, and names nobody."""

from __future__ import annotations

import json
import math
import re
import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from contracts.reasons import Reason
from deploy.publishers_command import publishers
from deploy.stores import case_of, opened_stores
from hub.metrics import REVIEWS, Metrics
from hub.shard.parking import OUTCOMES
from tests.kafka.live_world import NATIONAL_ID, PARTITIONS, REGISTRY, STRANGER_ID, TICK_SECONDS, LiveWorld, raw

pytestmark = pytest.mark.kafka

Samples = dict[tuple[str, str], float]
BEHIND_SECONDS_MAX = 20.0


def declared() -> dict[str, MetricWrapperBase]:
    """Every metric of `hub.metrics`, by the name under which it is scraped."""
    found = [value for value in vars(Metrics()).values() if isinstance(value, MetricWrapperBase)]
    return {one._name + ("_total" if isinstance(one, Counter) else ""): one for one in found}


def grown(before: Samples, after: Samples) -> Samples:
    """The counters that grew, and by how much."""
    names = {name for name, one in declared().items() if isinstance(one, Counter)}
    return {
        place: value - before.get(place, 0.0)
        for place, value in after.items()
        if place[0] in names and value != before.get(place, 0.0)
    }


def settled(live: LiveWorld) -> Samples:
    """The samples once every shard is at work, nothing is unsent and no record waits; ticks go on."""
    found: Samples = {}

    def is_settled() -> bool:
        found.update(live.metrics())
        busy = list(_busy(found))
        return len(busy) >= PARTITIONS and not any(busy)

    live.wait_until(is_settled, "nothing is unsent and no record waits")
    return found


def _busy(samples: Samples) -> Iterable[float]:
    return [value for (name, _), value in samples.items() if name in ("hub_unsent_records", "hub_lag_records")]


def test_every_metric_is_served_with_its_help(live: LiveWorld) -> None:
    live.write(raw(live, live.housing(), value=None))
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "the good record is disclosed")
    served = set(re.findall(r"^# HELP (hub_\w+) \S", live.metrics_page(), re.MULTILINE))
    assert declared().keys() <= served
    assert {name for name in served if not name.endswith("_created")} <= declared().keys()


def test_counts_are_those_of_what_was_published(live: LiveWorld) -> None:
    earlier = live.publish(live.housing())
    live.wait_until(lambda: earlier in live.seen_by_prison(), "all from before is counted")
    before = settled(live)
    stated = live.housing()
    first, number = live.publish(stated), live.stated
    live.publish(stated)
    second = live.publish(live.housing())
    for value in (None, b"\x01\x02", b"\x01\x03"):
        live.write(raw(live, live.housing(), value=value))
    live.wait_until(lambda: {first, second} <= live.seen_by_prison(), "both facts are disclosed")
    live.take_back_housing(number)  # one notice each to the two who were told
    live.wait_until(lambda: first not in live.seen_by_prison(), "the first fact is taken back")
    expected = {
        ("hub_ingested_total", 'party="A.SOC"'): 3.0,
        ("hub_repeats_total", ""): 1.0,
        ("hub_parked_total", 'party="A.SOC",reason="empty_value"'): 1.0,
        ("hub_parked_total", 'party="A.SOC",reason="bad_frame"'): 2.0,
        ("hub_disclosed_total", 'party="A.SOC"'): 6.0,  # three facts, three notices of what is parked
        ("hub_disclosed_total", 'party="A.BEN"'): 3.0,
        ("hub_disclosed_total", 'party="PRI"'): 3.0,
        ("hub_retracted_total", 'party="A.BEN"'): 1.0,
        ("hub_retracted_total", 'party="PRI"'): 1.0,
        ("hub_decisions_total", ""): 14.0,
    }
    live.wait_until(lambda: len(grown(before, live.metrics())) >= len(expected), "all is counted")
    assert grown(before, settled(live)) == expected


def test_gauges_say_where_each_shard_stands(live: LiveWorld) -> None:
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "something is disclosed")
    samples = settled(live)
    shards = {f'shard="{shard}"' for shard in range(PARTITIONS)}
    for name in ("hub_lag_seconds", "hub_lag_records", "hub_shard_clock_seconds"):
        assert {labels for given, labels in samples if given == name} == shards
    for labels in shards:
        assert samples["hub_lag_seconds", labels] <= BEHIND_SECONDS_MAX
        behind = time.time() - samples["hub_shard_clock_seconds", labels]
        assert -1.0 <= behind <= BEHIND_SECONDS_MAX
    live.wait_until(lambda: _all_clocks_moved(samples, live.metrics()), "the ticks move every clock")
    assert {value for (name, _), value in samples.items() if name == "hub_oldest_unsent_seconds"} == {0.0}


def _all_clocks_moved(before: Samples, after: Samples) -> bool:
    clocks = [place for place in before if place[0] == "hub_shard_clock_seconds"]
    return all(after[place] >= before[place] + TICK_SECONDS for place in clocks)


def test_it_listens_on_this_machine_only(live: LiveWorld) -> None:
    address = urlsplit(live.hub.metrics_url())
    assert address.hostname == "127.0.0.1"
    assert address.port is not None
    with socket.socket() as elsewhere:
        # Another address of this very machine: a server on all addresses would answer there.
        assert elsewhere.connect_ex(("127.0.0.2", address.port)) != 0


def test_no_label_names_anybody(live: LiveWorld) -> None:
    live.write(raw(live, live.housing(), key=live.keys["PRI"].encode()))
    good = live.publish(live.housing())
    live.wait_until(lambda: good in live.seen_by_prison(), "the good record is disclosed")
    settled(live)
    page = live.metrics_page()
    with opened_stores(live.world) as stores:
        case_id = case_of(stores, "A.SOC", live.keys["A.SOC"])
    for secret in (case_id, NATIONAL_ID, STRANGER_ID, *live.keys.values(), live.world.name):
        assert secret not in page
    allowed = {
        "party": {"HUB", *REGISTRY.parties},
        "reason": {str(reason) for reason in Reason},
        "shard": {str(shard) for shard in range(PARTITIONS)},
        "kind": set(REVIEWS),
        "state": {"pending", "overdue"},
        "outcome": set(OUTCOMES),
    }
    labels = re.findall(r'[{,](\w+)="([^"]*)"', page)
    assert {name for name, _ in labels} | {"outcome"} == allowed.keys()  # nothing may have been retried yet
    assert [(name, value) for name, value in labels if value not in allowed[name]] == []


def test_a_sign_of_life_is_heard_on_every_shard_and_listed(live: LiveWorld) -> None:
    place = "hub_publisher_silent_seconds"
    never = {
        labels: live.metrics()[place, labels] for labels in (f'party="A.BEN",shard="{n}"' for n in range(PARTITIONS))
    }
    assert set(never.values()) == {math.inf}
    positions = live.publisher("A.BEN").alive()
    assert [position.partition for position in positions] == list(range(PARTITIONS))
    live.wait_until(lambda: all(live.metrics()[place, labels] < 60 for labels in never), "every shard has heard it")
    listed = CliRunner().invoke(publishers, ["--world", str(live.world.directory), "--json"])
    assert listed.exit_code == 0, listed.output
    heard = {line["party"]: line["silent"] for line in json.loads(listed.output)}
    assert heard == {party: party != "A.BEN" for party in REGISTRY.parties}

"""`hub bench` on a small load: it runs to its end and says what it promises. Its figures prove nothing here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from deploy.benchmark import command, ground, many_workers, rule_cost, timeline_cost
from deploy.benchmark.comparisons import compare_signatures, compare_with_raw
from deploy.benchmark.ground import Databases
from deploy.benchmark.many_workers import compare_workers
from deploy.benchmark.spread import Spread, ratio_of
from deploy.local_kafka import LocalKafka
from deploy.local_postgres import LocalPostgres

EVENTS = 60
SPREAD = {"median": 2.0, "min": 1.0, "max": 3.0}
TIME = {
    "seconds": 1.0,
    "sender_cpu_seconds": 0.1,
    "worker_cpu_seconds": [0.5],
    "broker_cpu_seconds": 0.2,
    "cores_used": 0.8,
    "cpu_us_per_event": 100,
}


@pytest.fixture(autouse=True)
def _few_citizens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ground, "CITIZENS", 4)


def _silent(line: str) -> None:
    del line


def _are_positive(spreads: dict[str, dict[str, float]]) -> bool:
    return all(0 < one["min"] <= one["median"] <= one["max"] for one in spreads.values())


@pytest.mark.kafka
def test_the_hub_is_compared_with_binary_copy_of_the_rows_that_it_stored(
    local_kafka: LocalKafka, tmp_path: Path
) -> None:
    with LocalPostgres() as server:
        figures = compare_with_raw(local_kafka, tmp_path, Databases(server), EVENTS, 1, _silent)
    assert set(figures["rates"]) == {"hub", "raw", "raw_twice", "raw_native"}
    assert _are_positive(figures["rates"])
    assert figures["ratios"]["hub_to_raw"]["median"] == pytest.approx(
        figures["rates"]["hub"]["median"] / figures["rates"]["raw"]["median"]
    )
    stored = figures["stored_per_event"]
    # Of each event its fact, and a share of a settlement and of a run of numbers; and one digest.
    assert 1 < stored["rows"] < 2
    assert stored["digests"] == 1
    assert stored["bytes"] > 100


@pytest.mark.kafka
def test_a_signing_hub_is_compared_with_one_that_does_not_sign(local_kafka: LocalKafka, tmp_path: Path) -> None:
    figures = compare_signatures(local_kafka, tmp_path, EVENTS, 2, _silent)
    assert _are_positive(figures["rates"])
    ratio, cost = figures["ratios"]["signed_to_unsigned"], figures["ratios"]["cost"]
    assert ratio["median"] + cost["median"] == pytest.approx(1)


@pytest.mark.kafka
def test_workers_are_compared_with_the_time_that_each_took(
    local_kafka: LocalKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_workers, "SHARDS", 2)
    figures = compare_workers(local_kafka, tmp_path, 2, EVENTS, 1, _silent)
    assert _are_positive(figures["rates"])
    for count in (1, 2):
        where = figures[f"workers_{count}"]
        assert len(where["worker_cpu_seconds"]) == count
        assert all(used > 0 for used in where["worker_cpu_seconds"])
        assert where["broker_cpu_seconds"] > 0


@pytest.mark.parametrize(
    ("options", "figures"),
    [
        ([], {"rates": {"hub": SPREAD}, "ratios": {"hub_to_raw": SPREAD}}),
        (["--signatures"], {"rates": {"hub": SPREAD}, "ratios": {"cost": SPREAD}}),
        (["--workers", "2"], {"rates": {"workers_2": SPREAD}, "ratios": {}, "cores": 2, "workers_2": TIME}),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_each_comparison_is_reported(
    monkeypatch: pytest.MonkeyPatch, options: list[str], figures: dict[str, Any], as_json: bool
) -> None:
    class NoBroker:
        def __init__(self, *_: object, **__: object) -> None: ...
        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(command, "LocalKafka", NoBroker)
    name = {"[]": "compare_with_raw", "['--signatures']": "compare_signatures"}.get(str(options), "compare_workers")
    monkeypatch.setattr(command, name, lambda *_: figures)
    for size, small in {"LONG": 30, "BATCHES": 2, "BATCH_EVENTS": 2}.items():
        monkeypatch.setattr(timeline_cost, size, small)
    monkeypatch.setattr(timeline_cost, "spare_the_collector", lambda: None)
    done = CliRunner().invoke(command.bench, [*options, *(["--json"] if as_json else [])])
    assert done.exit_code == 0, done.output
    if as_json:
        told = json.loads(done.stdout)
        assert {key: told[key] for key in figures} == figures
        assert ("plain_us_at_10" in told) == (not options)
    else:
        assert "2 (1 to 3) events/s" in done.stdout


@given(st.lists(st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)), min_size=1, max_size=9))
def test_a_ratio_is_taken_within_a_round(pairs: list[tuple[float, float]]) -> None:
    rounds = {"one": [one for one, _ in pairs], "other": [other for _, other in pairs]}
    assert ratio_of(rounds, "one", to="other") == Spread.of([one / other for one, other in pairs])
    # A machine that is twice as slow in one round changes no ratio.
    slower = {name: [rate / 2 if at == 0 else rate for at, rate in enumerate(each)] for name, each in rounds.items()}
    assert ratio_of(slower, "one", to="other").median == pytest.approx(ratio_of(rounds, "one", to="other").median)


def test_the_cost_of_rules_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, small in {"CITIZENS": 5, "HELD_EVENTS": 20, "EVENTS_PER_CASE": 2}.items():
        monkeypatch.setattr(rule_cost, name, small)
    monkeypatch.setattr(rule_cost, "spare_the_collector", lambda: None)
    figures = rule_cost.rule_costs()
    assert set(figures) == {
        "decisions_per_second",
        "changed_standing_ms",
        "cases_per_second_under_new_rules",
        "minutes_for_40000_cases",
    }
    assert all(figure > 0 for figure in figures.values())

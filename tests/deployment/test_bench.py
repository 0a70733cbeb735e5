"""`deploy/bench` on a small load: it runs to its end and says what it promises. Its figures prove nothing here."""

from __future__ import annotations

import json
import subprocess

import pytest

from deploy.benchmark import rule_cost
from tests.deployment.conftest import ROOT


@pytest.mark.kafka
def test_benchmark_measures_both_rates_and_the_cost_of_a_long_timeline() -> None:
    words = [str(ROOT / ".venv/bin/hub"), "bench", "--events", "2000", "--rounds", "1", "--json"]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-2000:]
    figures = json.loads(done.stdout)
    assert set(figures) == {
        "raw_per_second",
        "raw_twice_per_second",
        "raw_native_per_second",
        "hub_per_second",
        "ratio",
        "ratio_to_raw_twice",
        "ratio_to_raw_native",
        "plain_us_at_10",
        "plain_us_at_10000",
        "plain_ratio",
        "changed_us_per_event_held",
    }
    assert figures["ratio"] == pytest.approx(figures["hub_per_second"] / figures["raw_per_second"])
    assert all(figure > 0 for figure in figures.values())


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

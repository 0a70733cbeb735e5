"""What decisions cost: on a warm case, when a standing changes, and when the rules change for every case.

Rules:
- The real shard and store on the simulated broker, in one process; processor time where nothing else works.
- A new rule set reaches `CITIZENS` cases while new events keep coming in; what 40,000 cases would take is that, times
  as many.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from contracts.parties import Party, PartyRegistry
from deploy.benchmark.timeline_cost import Bench
from deploy.benchmark.workload import PARTIES
from hub.consent.rule_reader import RULES_FOLDER
from hub.wiring import spare_the_collector

CITIZENS: Final = 1_000
CASES_OF_A_HUB: Final = 40_000
HELD_EVENTS: Final = 1_000
EVENTS_PER_CASE: Final = 10
REGISTRY: Final = PartyRegistry.of(Party(party) for party in (*PARTIES, "KIF", "PSY", "A.CHI", "A.YTH", "A.MNT"))
ROUNDS: Final = 5


def rule_costs() -> dict[str, float]:
    """Return decisions per second, milliseconds of a changed standing, cases per second under a new rule set."""
    with tempfile.TemporaryDirectory(prefix="hub-bench-rules-") as directory:
        spare_the_collector()
        warm = _warm_case(Path(directory) / "warm")
        return {**warm, **_new_rules(Path(directory) / "many")}


def _warm_case(directory: Path) -> dict[str, float]:
    directory.mkdir()
    bench = Bench(directory, REGISTRY, citizens=1)
    bench.seconds_for(bench.workload.event(0, number) for number in range(HELD_EVENTS))
    held = bench.shard.cases.get(bench.workload.case_id(0))
    if held.rights is None:
        raise AssertionError("the case was settled a moment ago and has no rights")
    decider, outlines = held.rights.decider, [entry.outline for entry in held.timeline.facts.values()]
    parties = [party.id for party in REGISTRY]
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        for outline in outlines:
            for party in parties:
                decider.shown(outline, party)
        seconds.append(time.process_time() - began)
    changed = bench.seconds_for([bench.workload.changed_standing(0)])
    bench.shard.close()
    return {
        "decisions_per_second": len(outlines) * len(parties) / statistics.median(seconds),
        "changed_standing_ms": changed * 1000,
    }


def _new_rules(directory: Path) -> dict[str, float]:
    directory.mkdir()
    bench = Bench(directory, REGISTRY, citizens=CITIZENS)
    work = bench.workload
    bench.seconds_for(work.event(n % CITIZENS, n) for n in range(CITIZENS * EVENTS_PER_CASE))
    rules = directory / "rules"
    rules.mkdir()
    for file in RULES_FOLDER.glob("*.toml"):
        (rules / file.name).write_text(file.read_text(encoding="utf-8") + "\n# another rule set\n", encoding="utf-8")
    bench.start_again(rules)
    began = time.perf_counter()
    number = CITIZENS * EVENTS_PER_CASE
    while bench.shard.step(0.0):
        due = bench.shard.store.next_due()
        if due is not None and due <= bench.shard.state.clock:
            bench.append(work.event(number % CITIZENS, number))
            number += 1
    seconds = time.perf_counter() - began
    bench.shard.close()
    return {
        "cases_per_second_under_new_rules": CITIZENS / seconds,
        "minutes_for_40000_cases": CASES_OF_A_HUB * seconds / CITIZENS / 60,
    }

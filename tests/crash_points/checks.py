"""Whether a town whose processes were killed kept everything once.

Rules:
- Facts, positions, numbers and what stands on the topics are checked as after takeovers (`tests.takeovers.checks`).
- accepted + repeats + parked = received; nothing is parked but what was bad, each once.
- The view of the subscription that was killed is that of the one that was not, and shows what was stated.
"""

from __future__ import annotations

from collections.abc import Iterator

from consumers.store import PartyStore
from contracts.fact import event_id_of
from tests.crash_points.town import RECEIVING, CrashTown
from tests.takeovers.checks import fact_faults, output_faults, position_faults, stored_facts


def faults_of(town: CrashTown) -> list[str]:
    """Every fault of a town that is at rest."""
    return [*_input_faults(town), *position_faults(town), *output_faults(town), *_view_faults(town)]


def _input_faults(town: CrashTown) -> Iterator[str]:
    facts = stored_facts(town)
    yield from fact_faults(town, facts)
    parked = [(record.topic, record.partition, record.offset) for record in town.open_parked()]
    if len(parked) != len(set(parked)):
        yield "a record is parked twice"
    if len(parked) != town.stated.bad:
        yield f"{len(parked)} records are parked, {town.stated.bad} were bad"
    received, repeats = town.received(), town.repeats + town.repeats_before
    if facts.total() + repeats + len(parked) != received:
        yield f"{facts.total()} accepted + {repeats} repeats + {len(parked)} parked are not {received} received"


def _view_faults(town: CrashTown) -> Iterator[str]:
    town.catch_up_undisturbed()
    with PartyStore.open_for_reading(town.receiver.store_file, RECEIVING) as store:
        visible, lines = store.visible(), store.view_lines()
    if visible != town.undisturbed.visible() or lines != town.undisturbed.view_lines():
        yield "the view is not that of a subscription which nobody killed"
    elsewhere = town.keys_of_consenting()
    seen = {
        event_id_of(one.party, one.event_id)
        for one in visible
        if one.event_type == "HousingSecured" and one.key not in elsewhere
    }
    if seen != town.shown:
        yield f"{len(town.shown - seen)} events are missing in the view, {len(seen - town.shown)} are too many"

"""`hub bench --year`: replays a year of releases and says what became of it, and how long it took.

Rules:
- Progress goes to a terminal only, on the error output; what is printed is the result, `--json` for programs.
- A difference or a record that is not accounted for fails the command.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import click

from contracts.failures import StoreFailure
from deploy.benchmark.year import Counted, Size, Year
from hub.continuity.measures import KIND_BOUND, SPREADS, Release, band_labels
from hub.continuity.table import Rulebook, table_of
from hub.continuity.terms import terms
from hub.wiring import spare_the_collector


def report_year(size: Size, *, as_json: bool) -> None:
    """Replay a year of `size` in a directory of its own, and print what came out."""
    spare_the_collector()
    hidden = not sys.stderr.isatty()
    with tempfile.TemporaryDirectory(prefix="hub-year-") as directory:
        year = Year(size, Path(directory))
        with click.progressbar(length=size.days, label="days played", file=sys.stderr, hidden=hidden) as bar:
            year.play(bar.update)
        with click.progressbar(length=size.cases, label="cases read", file=sys.stderr, hidden=hidden) as bar:
            releases = year.releases(bar.update)
    figures = _figures(size, year.counted, releases)
    figures["differing"] = len(year.differing(releases))
    click.echo(json.dumps(figures) if as_json else _text(figures))
    counted = year.counted
    if counted.sent != counted.admitted + counted.repeats + counted.parked or counted.undecided or figures["differing"]:
        raise StoreFailure("the replay does not add up: see the figures above")


def _figures(size: Size, counted: Counted, releases: list[Release]) -> dict[str, float]:
    rulebook = Rulebook(band_labels(terms()), SPREADS, KIND_BOUND, terms().small_cell)
    return {
        "municipalities": size.municipalities,
        "cases": size.cases,
        "sent": counted.sent,
        "admitted": counted.admitted,
        "repeats": counted.repeats,
        "parked": counted.parked,
        "undecided": counted.undecided,
        "disclosed": counted.told["disclosed"],
        "retracted": counted.told["retracted"],
        "releases": len(releases),
        "lines": len(table_of(releases, rulebook)),
        "seconds_played": counted.seconds_played,
        "seconds_read": counted.seconds_read,
    }


def _text(figures: dict[str, float]) -> str:
    played, read = figures["seconds_played"], figures["seconds_read"]
    return "\n".join(
        [
            f"{figures['municipalities']} municipalities, {figures['cases']} citizens, {figures['sent']} records sent: "
            f"{figures['admitted']} admitted, {figures['repeats']} repeats, {figures['parked']} parked",
            f"told: {figures['disclosed']} disclosures, {figures['retracted']} taken back",
            f"played in {played:.0f} s, {figures['sent'] / played:.0f} records/s",
            f"indicators of {figures['releases']} releases in {read:.0f} s, {figures['lines']} lines to show, "
            f"{figures['differing']} differ from how the lives were drawn",
        ]
    )

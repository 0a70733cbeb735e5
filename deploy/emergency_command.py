"""`hub emergency list`: which emergency access is not reviewed yet, or not told to the citizen.

Rules:
- It only reads, and names the hub's own id of a case and no party: `hub case timeline` tells the rest.
- Access that was taken back after it was granted is listed too (`hub.continuity.granted_access`).
- What is overdue is told by the shard's own clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from contracts.civil_time import moment_of
from deploy.options import world_option
from deploy.stores import opened_stores
from deploy.world import World
from hub.store.reader import ShardReader

OPERATOR_KINDS: Final = {"REVIEW_OVERDUE": "a review", "CITIZEN_NOTICE_OVERDUE": "that the citizen is told"}


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed of one access to one case, `due` in UTC."""

    shard: int
    case: str
    owed: str
    due: str
    is_overdue: bool


@click.group("emergency")
def emergency() -> None:
    """Emergency access: what is not reviewed or told yet."""


@emergency.command("list")
@click.option("--json", "as_json", is_flag=True, help="Plain values for programs.")
@world_option
def list_(as_json: bool, directory: Path) -> None:
    """List owed reviews and notices, the earliest due first."""
    with opened_stores(World.open(directory)) as stores:
        found = [each for shard, store in enumerate(stores) for each in owed_in(shard, store)]
    found.sort(key=lambda each: (each.due, each.case, each.owed))
    if as_json:
        click.echo(json.dumps([asdict(each) for each in found]))
        return
    for each in found:
        when = f"overdue since {each.due}" if each.is_overdue else f"due {each.due}"
        click.echo(f"{each.owed}, {when}; case {each.case}, shard {each.shard}")
    if not found:
        click.echo("nothing is owed")


def owed_in(shard: int, store: ShardReader) -> Iterator[Owed]:
    """What is owed in the store of one shard."""
    clock = store.head().clock
    for case_id, reviews in store.open_reviews().items():
        for review in sorted(reviews, key=lambda each: each.due):
            due = moment_of(review.due).isoformat(timespec="minutes")
            yield Owed(shard, case_id, OPERATOR_KINDS[review.kind], due, review.due <= clock)

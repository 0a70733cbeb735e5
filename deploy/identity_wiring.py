"""Gives the identity commands their world, what its shards know of keys and visibility, and the progress of merges.

A store may be behind: its hub is stopped, or has much to do. What it decided counts only where nothing has ended since:
the case is not due, by the shard's clock or ours, and was settled under the rules and parties of today.
"""

from __future__ import annotations

import time
from typing import Final

import click

from contracts.failures import NotFound, TransportFailure
from deploy.identity_command import identity_group
from deploy.options import chosen_world
from deploy.stores import case_of, opened_stores, policies_of, store_of
from deploy.world import World
from hub.case_timeline.timeline import MERGED, timeline_of
from hub.identity.enrolment import CaseBehind, SeesSomething
from hub.identity.vault import Citizen
from hub.identity.visibility import sees_something
from hub.shard.reading import reader_for
from hub.store.reader import ShardReader
from hub.wiring import settled_under
from producers.publisher import now_ms

MERGE_SECONDS_MAX: Final = 60.0
SETTLED_SECONDS_MAX: Final = 10.0
"""How long a case that has become due is waited for: a hub that runs settles it with its next tick."""
LOOK_AGAIN_SECONDS: Final = 0.2


def _visibility_of(world: World) -> SeesSomething:
    in_force = settled_under(policies_of(world))

    def sees(case_id: str, party: str) -> bool:
        deadline = time.monotonic() + SETTLED_SECONDS_MAX
        while True:
            with opened_stores(world) as stores:
                try:
                    store = store_of(stores, case_id)
                    # Asked before the records are read: a decision that is newer can only be a later word.
                    is_settled = _is_settled(store, case_id, in_force)
                    if not sees_something(store.case_records(case_id), party):
                        return False
                except NotFound:
                    return False
            if is_settled or time.monotonic() >= deadline:
                return is_settled
            time.sleep(LOOK_AGAIN_SECONDS)

    return sees


def _is_settled(store: ShardReader, case_id: str, in_force: str) -> bool:
    head, due = store.head(), store.due_of([case_id]).get(case_id)
    return head.rules == in_force and (due is None or due > max(head.clock, now_ms()))


def _case_behind_of(world: World) -> CaseBehind:
    def case_behind(party: str, key: str) -> str | None:
        with opened_stores(world) as stores:
            try:
                return case_of(stores, party, key)
            except NotFound:
                return None

    return case_behind


def _wait_for(world: World, losing: Citizen, winning: Citizen, step: str) -> None:
    """Return when the shards have merged the two cases, or taken that back; raise `TransportFailure` where not."""
    reader = reader_for(policies_of(world))
    deadline = time.monotonic() + MERGE_SECONDS_MAX
    while time.monotonic() < deadline:
        with opened_stores(world) as stores:
            lost, won = (
                timeline_of(each.case_id, stores[each.shard].case_records(each.case_id), reader)
                for each in (losing, winning)
            )
        if step == MERGED:
            is_done = lost.changes >= losing.changes and losing.case_id in won.kin - won.joining
        else:
            is_done = lost.changes >= losing.changes and lost.merged_into is None
        if is_done:
            return
        time.sleep(LOOK_AGAIN_SECONDS)
    raise TransportFailure(
        f"not done within {MERGE_SECONDS_MAX:.0f} s, though the hub was told: is the hub of this world running; "
        "what is closed stays closed until then, and the same command may be repeated"
    )


identity: click.Group = identity_group(chosen_world, _visibility_of, _case_behind_of, _wait_for)
"""The group `hub identity`; its world is `HUB_WORLD_DIRECTORY`, or where the demo leaves its own."""

"""Gives the identity commands their world, and the shards' word on whether a party sees something of a case."""

from __future__ import annotations

import click

from contracts.failures import NotFound
from deploy.identity_command import identity_group
from deploy.options import chosen_world
from deploy.stores import opened_stores, records_of
from deploy.world import World
from hub.identity.enrolment import SeesSomething
from hub.identity.visibility import sees_something


def _visibility_of(world: World) -> SeesSomething:
    def sees(case_id: str, party: str) -> bool:
        with opened_stores(world) as stores:
            try:
                return sees_something(records_of(stores, case_id), party)
            except NotFound:
                return False

    return sees


identity: click.Group = identity_group(chosen_world, _visibility_of)
"""The group `hub identity`; its world is `HUB_WORLD_DIRECTORY`, or where the demo leaves its own."""

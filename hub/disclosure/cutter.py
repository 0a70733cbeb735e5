"""Cuts a fact to what a party may see: the disclosed form, built from an allow-list.

Rules:
- A field is copied only if its category is in the mask. Everything else is absent, exactly as if never stated.
- The items of a list that is cut by domain are copied one by one; a list of which nothing is left is absent.
- A fact whose anchor category is closed has no disclosed form at all.

Pure. The mask comes from a decision of `hub.consent`; the result is encoded under the type's disclosed schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from contracts.categories import BIT, Category
from contracts.event_types import DOMAIN, NEVER, EventType, domain_bit


@lru_cache(maxsize=65_536)  # event types are compared by identity, so this is one look-up
def _plan(event_type: EventType, mask: int) -> tuple[tuple[str, ...], tuple[tuple[str, bool], ...]]:
    """The fields whose own category `mask` opens, and those cut by domain (name, whether it is a list)."""
    fixed = tuple(
        field.name
        for field in event_type.fields
        if field.category not in (DOMAIN, NEVER) and BIT[Category(field.category)] & mask
    )
    by_domain = tuple((field.name, field.repeated) for field in event_type.fields if field.category == DOMAIN)
    return fixed, by_domain


def cut(
    event_type: EventType, payload: Mapping[str, Any], mask: int, withheld: frozenset[str] = frozenset()
) -> dict[str, Any] | None:
    """Return the fields of `payload` that `mask` opens, or `None` where the anchor is closed.

    `withheld` names fields that this receiver never gets, open category or not (never-rule N4).
    """
    if not event_type.anchor_bit(payload) & mask:
        return None
    fixed, by_domain = _plan(event_type, mask)
    form = {name: value for name in fixed if (value := payload.get(name)) is not None}
    for name, repeated in by_domain:
        value = payload.get(name)
        if value is None:
            continue
        if not repeated:
            if domain_bit(payload.get("domain")) & mask:
                form[name] = value
        elif items := [item for item in value if _item_bit(item) & mask]:
            form[name] = items
    for name in withheld:
        form.pop(name, None)
    return form


def _item_bit(item: Any) -> int:
    return domain_bit(item["domain"] if isinstance(item, Mapping) else item)

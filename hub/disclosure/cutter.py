"""Cuts a fact to what a party may see: the disclosed form, built from an allow-list.

Rules:
- A field is copied only if its category is in the mask. Everything else is absent, exactly as if never stated.
- The items of a list that is cut by domain are copied one by one; a list of which nothing is left is absent.
- A fact whose anchor category is closed has no disclosed form at all.

Pure. The mask comes from a decision of `hub.consent`; the result is encoded under the type's disclosed schema.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from contracts.categories import BIT, Category
from contracts.event_types import DOMAIN, NEVER, EventType, domain_bit


@cache  # event types are compared by identity, so this is one look-up
def _plan(event_type: EventType) -> tuple[tuple[tuple[str, int], ...], tuple[tuple[str, bool], ...]]:
    """The fields with a category of their own, and those cut by domain (name, whether it is a list)."""
    fixed = tuple(
        (field.name, BIT[Category(field.category)])
        for field in event_type.fields
        if field.category not in (DOMAIN, NEVER)
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
    fixed, by_domain = _plan(event_type)
    form = {name: payload[name] for name, bit in fixed if bit & mask and payload.get(name) is not None}
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

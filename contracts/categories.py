"""The data categories that every field of every event belongs to, and sets of them as bit masks.

Rules:
- Each field has exactly one category; a list item has the category of its own domain.
- A set of categories travels through the hub as an `int` mask: bit n is the n-th category below. The order is
  stored in decisions, so it never changes; a new category is appended.
- Written as text, a set is sorted by name and joined with `+` (`CA+CU`).

Source: domain specification, 2.2 (categories) and 2.3 (domains).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final


class Category(StrEnum):
    """One data category. The declaration order gives the bit: append only."""

    ID = "ID"
    CU = "CU"
    RE = "RE"
    OF = "OF"
    PL = "PL"
    HO = "HO"
    AD = "AD"
    FI = "FI"
    EM = "EM"
    ED = "ED"
    SU = "SU"
    MH = "MH"
    PH = "PH"
    CF = "CF"
    NW = "NW"
    RI = "RI"
    CA = "CA"
    CO = "CO"


MEANINGS: Final[Mapping[Category, str]] = {
    Category.ID: "identity",
    Category.CU: "custody and whereabouts",
    Category.RE: "release terms and dates",
    Category.OF: "offence and charge",
    Category.PL: "plan header",
    Category.HO: "housing need and form",
    Category.AD: "address",
    Category.FI: "finance, benefits, debt, funding",
    Category.EM: "employment",
    Category.ED: "education",
    Category.SU: "substance use and its treatment",
    Category.MH: "mental health",
    Category.PH: "physical health and medication",
    Category.CF: "child, family and third persons",
    Category.NW: "network and volunteers",
    Category.RI: "risk and safety",
    Category.CA: "case administration",
    Category.CO: "consent and governance",
}

BIT: Final[Mapping[Category, int]] = {category: 1 << n for n, category in enumerate(Category)}
ALL_CATEGORIES: Final[int] = (1 << len(Category)) - 1
NO_CATEGORY: Final[int] = 0
_NAMES: Final = frozenset(category.value for category in Category)

CATEGORY_OF_DOMAIN: Final[Mapping[str, Category]] = {
    "HOUSING": Category.HO,
    "FINANCE": Category.FI,
    "EMPLOYMENT": Category.EM,
    "EDUCATION": Category.ED,
    "SUBSTANCE": Category.SU,
    "MENTAL": Category.MH,
    "PHYSICAL": Category.PH,
    "FAMILY": Category.CF,
    "NETWORK": Category.NW,
    "OFFENDING": Category.RI,
    "RELEASE": Category.RE,
}
"""The category of a list item, or of a `@domain` field, by its domain. A domain not named here has none."""


def mask_of(categories: Iterable[Category | str]) -> int:
    """Return the set of `categories` as a mask. An unknown name raises `ValueError`."""
    mask = NO_CATEGORY
    for category in categories:
        mask |= BIT[Category(category)]
    return mask


def known_mask_of(names: Iterable[str]) -> int:
    """Return the mask of those of `names` that are categories; any other name opens nothing."""
    return mask_of(frozenset(names) & _NAMES)


def categories_of(mask: int) -> tuple[Category, ...]:
    """Return the categories of `mask`, sorted by name."""
    return tuple(sorted(category for category, bit in BIT.items() if mask & bit))


def text_of(mask: int) -> str:
    """Return `mask` as people read it: `CA+CU`; the empty set is the empty string."""
    return "+".join(categories_of(mask))

"""The words that people read, per language: `consumers/texts/<language>.toml`.

Rules:
- Danish, Swedish and English have the same keys (a test says so).
- A code, field or event type without a word is shown by its own name, never left out.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from contracts.failures import CallerFailure

LANGUAGES: Final = ("da", "en", "sv")
_WORD_START: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True)
class Wording:
    """The words of one language, by section and key."""

    sections: Mapping[str, Mapping[str, str]]

    def phrase(self, name: str, **values: object) -> str:
        """A fixed phrase, with `values` filled in."""
        return self.sections["phrases"][name].format(**values)

    def view(self, name: str) -> str:
        """The title of a view."""
        return self.sections["views"][name]

    def column(self, name: str) -> str:
        """The heading of a view's column."""
        return self.sections["columns"][name]

    def board_list(self, name: str, days: int) -> str:
        """The title of a list of a board; `days` is the list's period."""
        return self.sections["lists"][name].format(days=days)

    def count(self, name: str) -> str:
        """The title of what is counted."""
        return self.sections["counts"][name]

    def table(self, name: str) -> str:
        """The title of a table of figures."""
        return self.sections["tables"].get(name, name)

    def figure(self, code: str | None) -> str:
        """What a row, column or measure of figures is about, also where it is a category or the code of a measure."""
        if code is None:
            return ""
        return self.sections["figures"].get(code) or self.sections["categories"].get(code) or self.code(code)

    def missing(self, code: str) -> str:
        """One thing that a view's line lacks."""
        return self.sections["missing"][code]

    def category(self, name: str) -> str:
        """A data category."""
        return self.sections["categories"].get(name, name)

    def short_category(self, name: str) -> str:
        """A data category in one word, for a table."""
        return self.sections["short_categories"].get(name, name)

    def event_type(self, name: str) -> str:
        """An event type; without a word of its own, its name taken apart: `VisitHeld` -> `Visit held`."""
        return self.sections["event_types"].get(name) or _apart(name).capitalize()

    def field(self, name: str) -> str:
        """A field; without a word of its own, its name taken apart: `bridgesTo` -> `bridges to`."""
        return self.sections["fields"].get(name) or _apart(name)

    def code(self, symbol: str) -> str:
        """A code, or an event type that stands for one in a view's column."""
        return self.sections["codes"].get(symbol) or self.sections["event_types"].get(symbol) or symbol


@cache
def wording(language: str) -> Wording:
    """The words of `da`, `en` or `sv`; raise `CallerFailure` for another language."""
    if language not in LANGUAGES:
        raise CallerFailure(f"language `{language}`: expected one of {', '.join(LANGUAGES)}")
    path = Path(__file__).with_name("texts") / f"{language}.toml"
    return Wording(tomllib.loads(path.read_text(encoding="utf-8")))


def _apart(name: str) -> str:
    return " ".join(_WORD_START.split(name)).lower()

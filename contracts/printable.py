"""Text that somebody stated, as a terminal may show it.

Rules:
- Nothing in it steers the terminal, turns the direction of what stands around it, or begins a line that looks like one
  of ours: each such character is shown as Python writes it (`\\n`, `\\x9b`, `\\u202e`).
- For people only. Programs get the text as it was stated.

Used by whatever prints what was stated: `consumers.rendering`, `deploy.case_command`.
"""

from __future__ import annotations

import unicodedata
from typing import Final

_SPACE: Final = "Zs"


def printable(text: str) -> str:
    """Return `text` on one line, without a character that is neither visible nor a space."""
    if text.isprintable():
        return text
    return "".join(each if _is_shown(each) else each.encode("unicode_escape").decode("ascii") for each in text)


def _is_shown(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == _SPACE

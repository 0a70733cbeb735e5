"""Scenarios that come with the project: the one that the demo plays is also one of the tests' oracles.

Rule: one copy. Whoever plays it reads it from here; the file itself says what every party must see when.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

GOOD_RELEASE: Final = Path(__file__).with_name("good-release.md")
"""SC1: imprisonment, a consent that is narrowed, release on parole."""

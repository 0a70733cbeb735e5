"""The steering group's view: counts over the evaluator's lines, and never a line (never-rule N2)."""

from __future__ import annotations

from typing import Final

from consumers.views import cohort
from consumers.views.base import View

VIEW: Final = View("steering", cohort.COLUMNS, cohort.EVENT_TYPES, cohort.fold, counts_only=True)

"""Figures as a steering group is told them: two months, and of the older one a table that was told again."""

from __future__ import annotations

from datetime import date
from typing import Any

from contracts.civil_time import day_number
from tests.consumers.simulated_topic import SimulatedTopic, name

AT = day_number(date(2025, 10, 4)) * 86_400_000


def fill_figures(topic: SimulatedTopic) -> None:
    """Two months of figures: of the older one a table that was told again."""
    nobody = name("nobody")

    def say(month: int, table: str, cells: list[dict[str, Any]], place: str | None = None, told: int = 0) -> None:
        absent = dict.fromkeys(("period", "measure", "of", "median", "ninthDecile"))
        payload = {
            "occurredAt": AT + told,
            "snapshotId": name("s", month),
            "cutOff": AT,
            "month": month,
            "table": table,
            "place": place,
            "smallestCell": 5,
            "recipients": ["GOV"],
            "cells": [absent | cell for cell in cells],
        }
        topic.disclose(nobody, name(table, place, month, told), "FiguresDrawn", payload, party="HUB")

    september, october = (day_number(date(2025, month, 1)) for month in (9, 10))
    say(september, "TREATMENTS", [{"row": "ALCOHOL", "column": "STATE", "count": 90}])
    say(october, "TREATMENTS", [{"row": "ALCOHOL", "column": "STATE", "count": 7}])
    say(
        october,
        "TREATMENTS",
        [
            {"row": "ALCOHOL", "column": "STATE", "count": 8},
            {"row": "ALCOHOL", "column": "TOTAL", "count": 8},
            {"row": "SUBSTITUTION", "column": "PARTNERSHIP", "count": 12},
        ],
        told=1,
    )
    say(october, "SCHEME", [])
    where = {"row": "PAROLE", "period": "2025-04", "measure": "I2_contact"}
    say(
        october,
        "INDICATORS",
        [
            {**where, "column": "7d", "count": 9, "of": 21},
            {**where, "measure": "I2_days", "column": "MEDIAN", "count": 21, "of": 21, "median": b"\x02\x58",
             "ninthDecile": b"\x0b\xb8"},
        ],
        "A",
    )  # fmt: skip

"""Protection and risk cooperation: a protected address (N8) and the cooperation on persons at risk (S3).

Rules (domain specification, 4.2 S3, 4.3 N8, 4.9.1, 4.9.18):
- The latest AddressProtectionSet or Lifted decides; `until` ends it at 00:00 local.
- The latest KspActivated or KspEnded decides; `endsOn` ends it at 00:00 local.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.civil_time import start_of_day
from contracts.fact import Fact
from hub.consent.moment import Moment

READS: Final = frozenset({"AddressProtectionSet", "AddressProtectionLifted", "KspActivated", "KspEnded"})


@dataclass(frozen=True, slots=True)
class RiskCooperation:
    """Whether the cooperation is in force, and whether on the ground of radicalisation (holds in remand too)."""

    in_force: bool = False
    radicalisation: bool = False


def address_protected(facts: Sequence[Fact], moment: Moment) -> bool:
    """Return whether the citizen's address is protected now."""
    latest = _latest(facts, ("AddressProtectionSet", "AddressProtectionLifted"))
    moment.note("address_protected", latest)
    if latest is None or latest.event_type == "AddressProtectionLifted":
        return False
    until = latest.payload.get("until")
    return until is None or not moment.has_come(start_of_day(until, moment.zone))


def risk_cooperation(facts: Sequence[Fact], moment: Moment) -> RiskCooperation:
    """Return what the latest word on the cooperation says now."""
    latest = _latest(facts, ("KspActivated", "KspEnded"))
    moment.note("ksp_in_force", latest)
    if latest is None or latest.event_type == "KspEnded" or not latest.payload.get("necessity"):
        return RiskCooperation()
    if moment.has_come(start_of_day(latest.payload["endsOn"], moment.zone)):
        return RiskCooperation()
    return RiskCooperation(True, latest.payload.get("radicalisation") is True)


def _latest(facts: Sequence[Fact], types: tuple[str, ...]) -> Fact | None:
    found = [fact for fact in facts if fact.event_type in types]
    return found[-1] if found else None

"""Settings under which a store would lose what the hub relies on, refused before it is opened.

Rules:
- The event-sourcing library takes settings from the environment; three of them would undo a promise silently.
"""

from __future__ import annotations

from collections.abc import Mapping

from eventsourcing.utils import strtobool

from contracts.failures import BadSetting


def refuse_unsafe_settings(environment: Mapping[str, str]) -> None:
    """Raise `BadSetting` naming every unsafe setting. Called with `os.environ` before a store is opened."""
    if faults := unsafe_settings(environment):
        raise BadSetting("; ".join(faults))


def unsafe_settings(environment: Mapping[str, str]) -> list[str]:
    """Say which settings of the event-sourcing library are unsafe, and what to do."""
    faults = []
    if environment.get("ORIGINATOR_ID_TYPE", "text").lower() != "text":
        faults.append("setting `ORIGINATOR_ID_TYPE` must be `text`: stream ids are text; remove it or set `text`")
    if _flag(environment, "POSTGRES_ENABLE_DB_FUNCTIONS", safe=False) is not False:
        faults.append("setting `POSTGRES_ENABLE_DB_FUNCTIONS` must be off: it drops positions silently; remove it")
    if _flag(environment, "SINGLE_ROW_TRACKING", safe=True) is not True:
        faults.append("setting `SINGLE_ROW_TRACKING` must be on: without it a position may go back; remove it")
    return faults


def _flag(environment: Mapping[str, str], name: str, *, safe: bool) -> bool | None:
    """The value of a yes or no; `safe` where it is not set, `None` where it is neither."""
    value = environment.get(name, "").strip()
    if not value:
        return safe
    try:
        return bool(strtobool(value))
    except ValueError:
        return None

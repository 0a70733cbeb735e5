"""Settings under which a store would lose what the hub relies on, refused before it is opened.

Rules:
- The event-sourcing library takes settings from the environment; three of them would undo a promise silently.
"""

from __future__ import annotations

from collections.abc import Mapping

from eventsourcing.utils import strtobool

from contracts.failures import BadSetting


def refuse_unsafe_settings(environment: Mapping[str, str]) -> None:
    """Refuse settings of the event-sourcing library under which a store would lose what the hub relies on.

    Raises `BadSetting`. Called with `os.environ` before a store is opened.
    """
    if environment.get("ORIGINATOR_ID_TYPE", "text").lower() != "text":
        raise BadSetting("setting `ORIGINATOR_ID_TYPE` must be `text`: stream ids are text; remove it or set `text`")
    if _flag(environment, "POSTGRES_ENABLE_DB_FUNCTIONS", default=False):
        raise BadSetting("setting `POSTGRES_ENABLE_DB_FUNCTIONS` must be off: it drops positions silently; remove it")
    if not _flag(environment, "SINGLE_ROW_TRACKING", default=True):
        raise BadSetting("setting `SINGLE_ROW_TRACKING` must be on: without it a position may go back; remove it")


def _flag(environment: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = environment.get(name, "").strip()
    if not value:
        return default
    try:
        return bool(strtobool(value))
    except ValueError:
        raise BadSetting(f"setting `{name}` must be a yes or a no; remove it") from None

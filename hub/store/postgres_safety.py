"""What a PostgreSQL server and the hub's role must be like, asked of the server itself.

Rules:
- Each demand names what is wrong, what was expected, and how to mend it. All of them are told, not the first alone.
- A server that could lose a commit is refused (`fsync`, `full_page_writes`), and a standby: it may be behind.
- Standbys of which none is waited for are told and not refused: who fails over to one goes back.
- A role that could change or remove a stored event is refused: then nobody could say that nothing was rewritten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from contracts.failures import BadSetting
from hub.store.recorder import Recorder

VERSION_MIN: Final = 150_000
_SETTINGS: Final = {"fsync": "on", "full_page_writes": "on", "server_encoding": "UTF8"}
_NOT_OVER_EVENTS: Final = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")
_KEPT_TABLES: Final = ("stored_events", "event_digests", "store_identity")


def refuse_unsafe_server(recorder: Recorder) -> None:
    """Raise `BadSetting` naming everything about server and role under which the store could not be trusted."""
    if faults := list(unsafe(recorder)):
        raise BadSetting("; ".join(faults))


def unsafe(recorder: Recorder) -> Iterator[str]:
    """Say what is unsafe about the server and the role that `recorder` is connected as; nothing where all is well."""
    ((version, standby, role, superuser),) = recorder.select(
        "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery(), current_user, "
        "(SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)"
    )
    if version < VERSION_MIN:
        yield f"server version `{version}`: expected `{VERSION_MIN}` or newer; upgrade PostgreSQL"
    if standby:
        yield "the server is a standby, which may be behind: give the URL of the primary"
    for name, expected in _SETTINGS.items():
        ((value,),) = recorder.select("SELECT current_setting(?)", (name,))
        if value != expected:
            yield f"`{name}` is `{value}`: expected `{expected}`; set it in the server's configuration"
    if superuser:
        yield f"role `{role}` is a superuser or may make roles: connect as the role for which the stores were made"
    for table in _KEPT_TABLES:
        for right in _NOT_OVER_EVENTS:
            ((held,),) = recorder.select("SELECT has_table_privilege(current_user, ?, ?)", (table, right))
            if held:
                yield f"role `{role}` may {right} on `{table}`: revoke it, stored rows are never changed"
                break


def risky(recorder: Recorder) -> Iterator[str]:
    """Say by what a store that is safe now may go back later."""
    ((waited_for, standbys),) = recorder.select(
        "SELECT current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)"
    )
    if standbys and not waited_for:
        yield (
            f"`{standbys}` standbys are attached and `synchronous_standby_names` is empty: expected one that is waited "
            "for; a store that fails over to another one goes back, and its shards do not start"
        )

"""What each Kafka user may take of a broker: `quotas.toml`, set on the cluster and read back.

Rules:
- A quota is set for a user, whatever program or certificate it comes with.
- Setting is for all users of a hub in one call; setting it again changes nothing.
- Only users of this hub are compared; a quota that the table does not give one of them is a difference.

kafka-python speaks the protocol for quotas and has no call for them in its admin client: the requests are made here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from kafka.admin import KafkaAdminClient
from kafka.errors import NoError, for_code
from kafka.protocol.admin.client_quotas import AlterClientQuotasRequest, DescribeClientQuotasRequest

from contracts.failures import BadSetting, TransportFailure
from contracts.parties import PartyRegistry
from contracts.topics import Names
from deploy.rights import SERVICES

Quotas = Mapping[str, Mapping[str, float]]
"""User -> quota -> value."""

QUOTAS_FILE: Final = Path(__file__).with_name("quotas.toml")
KINDS: Final = ("producer_byte_rate", "consumer_byte_rate", "request_percentage")
PARTY: Final = "party"
_USER: Final = "user"
_ANY_NAME: Final = 2


@lru_cache(maxsize=1)
def quota_table(file: Path = QUOTAS_FILE) -> Quotas:
    """Return the ceilings by kind of user; raise `BadSetting` naming what the file should not have."""
    table: dict[str, dict[str, float]] = tomllib.loads(file.read_text(encoding="utf-8"))
    for kind, values in table.items():
        if kind != PARTY and kind not in SERVICES:
            raise BadSetting(f"`{file.name}`: `{kind}` is no kind of user: expected `{PARTY}` or a service of the hub")
        if set(values) != set(KINDS) or not all(value > 0 for value in values.values()):
            raise BadSetting(f"`{file.name}`, `{kind}`: expected {', '.join(KINDS)}, each above 0")
    return table


def quotas_of(names: Names, registry: PartyRegistry) -> Quotas:
    """The quotas of every user of one hub that has any."""
    table = quota_table()
    services = {names.service(kind): values for kind, values in table.items() if kind != PARTY}
    return services | {names.user(party.id): table[PARTY] for party in registry}


def set_quotas(client: KafkaAdminClient, quotas: Quotas) -> None:
    """Set `quotas`; raise `TransportFailure` where the broker refuses one of them."""
    entry = AlterClientQuotasRequest.EntryData
    request = AlterClientQuotasRequest(
        entries=[
            entry(
                entity=[entry.EntityData(entity_type=_USER, entity_name=user)],
                ops=[entry.OpData(key=key, value=float(value), remove=False) for key, value in values.items()],
            )
            for user, values in quotas.items()
        ],
        validate_only=False,
    )
    for answered in _asked(client, request).entries:
        _raise_refusal(answered.error_code)


def read_quotas(client: KafkaAdminClient) -> Quotas:
    """Return the quotas of every user that the cluster has now."""
    component = DescribeClientQuotasRequest.ComponentData(entity_type=_USER, match_type=_ANY_NAME, match=None)
    answered = _asked(client, DescribeClientQuotasRequest(components=[component], strict=True))
    _raise_refusal(answered.error_code)
    return {
        entry.entity[0].entity_name or "": {value.key: value.value for value in entry.values}
        for entry in answered.entries or ()
    }


def quota_differences(wanted: Quotas, found: Quotas, users: frozenset[str]) -> list[str]:
    """What `found` has otherwise for `users`, one line each."""
    lines = []
    for user in sorted(users):
        must, has = wanted.get(user, {}), found.get(user, {})
        lines += [
            f"{user}  {key}  expected {_number(must.get(key))}, found {_number(has.get(key))}"
            for key in sorted(must.keys() | has.keys())
            if must.get(key) != has.get(key)
        ]
    return lines


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.0f}"


def _asked(client: KafkaAdminClient, request: Any) -> Any:
    return client._manager.run(client._manager.send, request)


def _raise_refusal(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise TransportFailure(
            f"the broker refused quotas (`{error.__name__}`): expected a deployer with its rights, "
            "see `hub deploy rights --check`"
        )

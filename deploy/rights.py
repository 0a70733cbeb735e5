"""Who may do what on the broker: the rights table as data, and its translation into ACLs.

Rules:
- Everything that no row allows is denied. Nobody has a transactional id; nobody but the deployer may create.
- A party writes its own input and reads its own output and the checkpoints, in groups under its own name.
- The sender reads the outputs that it writes: what was told last says whether a store went back.
- The cleaner deletes records of inputs and outputs, and can neither read nor write one.
- The deployer makes topics, users and rights. It has no right to read or write a record; it could give itself one.
- Whoever may read, write, delete or alter a topic may describe it: Kafka grants that with the right itself.
- A party whose name in topics would also name a service of the hub is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)

from contracts.connection import KafkaConnection
from contracts.failures import BadRegistry, TransportFailure
from contracts.parties import Party, PartyRegistry
from contracts.topics import Names

SERVICES: Final = ("reader", "sender", "operator", "auditor", "cleaner")
"""The hub's own users of a world; the deployer belongs to the cluster."""
RESERVED: Final = frozenset({"hub", "in", "out", "auditor", "broker"})


@dataclass(frozen=True, slots=True)
class Right:
    """One permission of one user: an operation on a topic or group, by its name or by the beginning of its name."""

    user: str
    operation: ACLOperation
    resource: ResourceType
    name: str
    by_prefix: bool = False

    def acl(self) -> ACL:
        """The right as the broker wants it."""
        pattern = ACLResourcePatternType.PREFIXED if self.by_prefix else ACLResourcePatternType.LITERAL
        return ACL(
            f"User:{self.user}",
            "*",
            self.operation,
            ACLPermissionType.ALLOW,
            ResourcePattern(self.resource, self.name, pattern),
        )


def check_names(registry: Iterable[Party]) -> None:
    """Raise `BadRegistry` for a party whose user, topic or group could pass for the hub's own."""
    for party in registry:
        name = party.name_in_topics
        if name in RESERVED or name.startswith("hub-"):
            raise BadRegistry(f"party id `{party.id}` folds to `{name}`, a name of the hub's own: choose another id")


def party_rights(names: Names, party_id: str) -> list[Right]:
    """The rows of one party."""
    user = names.user(party_id)
    return [
        Right(user, ACLOperation.WRITE, ResourceType.TOPIC, names.input(party_id)),
        Right(user, ACLOperation.READ, ResourceType.TOPIC, names.output(party_id)),
        Right(user, ACLOperation.READ, ResourceType.TOPIC, names.checkpoints),
        Right(user, ACLOperation.READ, ResourceType.GROUP, names.party_group(party_id, ""), by_prefix=True),
    ]


def service_rights(names: Names, registry: PartyRegistry) -> list[Right]:
    """The rows of the hub's own services."""
    reader, sender, operator, auditor, cleaner = (names.service(service) for service in SERVICES)
    return [
        Right(reader, ACLOperation.WRITE, ResourceType.TOPIC, names.hub_input),
        Right(reader, ACLOperation.READ, ResourceType.TOPIC, f"{names.prefix}in.", by_prefix=True),
        Right(reader, ACLOperation.READ, ResourceType.GROUP, names.hub_group(""), by_prefix=True),
        Right(sender, ACLOperation.WRITE, ResourceType.TOPIC, f"{names.prefix}out.", by_prefix=True),
        Right(sender, ACLOperation.READ, ResourceType.TOPIC, f"{names.prefix}out.", by_prefix=True),
        Right(sender, ACLOperation.WRITE, ResourceType.TOPIC, names.checkpoints),
        Right(operator, ACLOperation.WRITE, ResourceType.TOPIC, names.hub_input),
        Right(auditor, ACLOperation.READ, ResourceType.TOPIC, names.checkpoints),
        Right(auditor, ACLOperation.READ, ResourceType.GROUP, f"{names.prefix}auditor.", by_prefix=True),
        Right(cleaner, ACLOperation.DELETE, ResourceType.TOPIC, f"{names.prefix}in.", by_prefix=True),
        Right(cleaner, ACLOperation.DELETE, ResourceType.TOPIC, f"{names.prefix}out.", by_prefix=True),
        *(
            Right(cleaner, ACLOperation.DESCRIBE, ResourceType.GROUP, names.confirmed_group(party.id))
            for party in registry
        ),
    ]


def rights_of(names: Names, registry: PartyRegistry) -> list[Right]:
    """The whole table of one world."""
    check_names(registry)
    return service_rights(names, registry) + [right for party in registry for right in party_rights(names, party.id)]


def users_of(names: Names, registry: PartyRegistry) -> Iterator[str]:
    """Every Kafka user of one world: its services and its parties."""
    yield from (names.service(service) for service in SERVICES)
    yield from (names.user(party.id) for party in registry)


def deployer_rights(user: str) -> list[Right]:
    """What the deployer may do on the whole cluster: make, change and delete; no READ, no WRITE."""
    of_cluster = (
        ACLOperation.CREATE,
        ACLOperation.ALTER,
        ACLOperation.DESCRIBE,
        # Kafka counts quotas of users among the settings of the cluster.
        ACLOperation.ALTER_CONFIGS,
        ACLOperation.DESCRIBE_CONFIGS,
    )
    of_topics = (
        ACLOperation.ALTER,
        ACLOperation.ALTER_CONFIGS,
        ACLOperation.DELETE,
        ACLOperation.DESCRIBE,
        ACLOperation.DESCRIBE_CONFIGS,
    )
    rights = [Right(user, operation, ResourceType.CLUSTER, "kafka-cluster") for operation in of_cluster]
    rights += [Right(user, operation, ResourceType.TOPIC, "*") for operation in of_topics]
    return rights


def grant_deployer(connection: KafkaConnection, user: str) -> None:
    """Give the deployer its rights, as the broker's super user; giving them again changes nothing."""
    client = KafkaAdminClient(**connection.client_options())
    try:
        grant(client, deployer_rights(user))
    finally:
        client.close()


def grant(client: KafkaAdminClient, rights: Iterable[Right]) -> None:
    """Give `rights` in one call; raise `TransportFailure` where the broker refuses one of them."""
    acls = [right.acl() for right in rights]
    refused = client.create_acls(acls)["failed"]
    if refused:
        raise TransportFailure(
            f"the broker refused `{len(refused)}` of `{len(acls)}` rights (`{refused[0].__name__}`): "
            "expected a deployer that may alter the cluster"
        )

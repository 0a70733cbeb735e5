"""The rights table beside what a broker has now: what is missing there, and what is too much.

Rules:
- Too much is each right that no row of the table gives and that concerns this hub: it belongs to one of its users or
  to everybody, it is about the cluster, it opens one of the hub's topics or groups, or it lets somebody act as one of
  its users (a delegation token for that user). Denials count as well.
- What another hub on the same broker has, under its own names, is not this one's business.
- A broker's super users stand in its own configuration: no client sees them, so they are not compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePatternFilter,
    ResourceType,
)

from contracts.parties import PartyRegistry
from contracts.topics import Names
from deploy.rights import Right, deployer_rights, rights_of, users_of

EVERYBODY = "User:*"
EVERY_RIGHT = ACLFilter(
    None,
    None,
    ACLOperation.ANY,
    ACLPermissionType.ANY,
    ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
)


@dataclass(frozen=True, slots=True)
class RightsDifference:
    """What a broker lacks and what it has too much, each in the order of its text."""

    missing: tuple[ACL, ...]
    surplus: tuple[ACL, ...]

    def __len__(self) -> int:
        return len(self.missing) + len(self.surplus)


def whole_table(names: Names, registry: PartyRegistry, deployer: str) -> list[Right]:
    """The deployer's rows, then those of the hub: all that a cluster needs."""
    return deployer_rights(deployer) + rights_of(names, registry)


def granted(client: KafkaAdminClient) -> list[ACL]:
    """Every right that the broker has now."""
    acls: list[ACL] = client.describe_acls(EVERY_RIGHT)[0]
    return acls


def difference(table: Iterable[Right], found: Iterable[ACL], names: Names, registry: PartyRegistry) -> RightsDifference:
    """Compare the table of one hub with the rights that its broker has."""
    wanted = {right.acl() for right in table}
    present = set(found)
    users = {acl.principal for acl in wanted}
    surplus = {
        acl
        for acl in present - wanted
        if acl.principal in users | {EVERYBODY} or _opens(acl, names, registry) or _acts_as(acl, users)
    }
    return RightsDifference(tuple(sorted(wanted - present, key=text_of)), tuple(sorted(surplus, key=text_of)))


def overlaps(found: Iterable[ACL], names: Names, registry: PartyRegistry, deployer: str) -> list[ACL]:
    """What others have of the topics, groups and users of a hub that is to be, and what its users have elsewhere.

    Others: no user of this hub and not the deployer. What they have over everything (`*`) is left to whoever gave it; a
    user of this hub that has so much is somebody else's.
    """
    found = list(found)
    users = {f"User:{user}" for user in users_of(names, registry)}
    ours = users | {f"User:{deployer}"}
    others = [acl for acl in found if acl.principal not in ours and acl.resource_pattern.resource_name != "*"]
    theirs = [acl for acl in others if _opens_named(acl, names, registry) or _acts_as(acl, users)]
    return theirs + [acl for acl in found if acl.principal in users and not _is_within(acl, names, registry)]


def text_of(acl: ACL) -> str:
    """One right as one line; the beginning of a name is shown with a star after it."""
    pattern = acl.resource_pattern
    star = "*" if pattern.pattern_type == ACLResourcePatternType.PREFIXED else ""
    denied = "denied " if acl.permission_type == ACLPermissionType.DENY else ""
    host = "" if acl.host == "*" else f" from {acl.host}"
    return (
        f"{acl.principal.removeprefix('User:')}  {denied}{acl.operation.name.lower()}  "
        f"{pattern.resource_type.name.lower()} {pattern.resource_name}{star}{host}"
    )


def _opens(acl: ACL, names: Names, registry: PartyRegistry) -> bool:
    """Say whether the right is about the cluster, or about a topic or group of this hub."""
    return acl.resource_pattern.resource_type == ResourceType.CLUSTER or _opens_named(acl, names, registry)


def _opens_named(acl: ACL, names: Names, registry: PartyRegistry) -> bool:
    """Say whether the right is about a topic or group of this hub."""
    pattern = acl.resource_pattern
    spaces = _spaces(pattern.resource_type, names, registry)
    name = pattern.resource_name
    if pattern.pattern_type == ACLResourcePatternType.PREFIXED:
        return any(space.startswith(name) or name.startswith(space) for space in spaces)
    return any(name == "*" or name.startswith(space) for space in spaces)


def _is_within(acl: ACL, names: Names, registry: PartyRegistry) -> bool:
    """Say whether the right is about topics or groups of this hub and nothing else."""
    pattern = acl.resource_pattern
    return any(pattern.resource_name.startswith(space) for space in _spaces(pattern.resource_type, names, registry))


def _acts_as(acl: ACL, users: Set[str]) -> bool:
    """Say whether the right is about tokens for one of `users` (`User:<name>`): whoever has a token is that user."""
    pattern = acl.resource_pattern
    if pattern.resource_type != ResourceType.USER:
        return False
    if pattern.pattern_type == ACLResourcePatternType.PREFIXED:
        return any(user.startswith(pattern.resource_name) for user in users)
    return pattern.resource_name == "*" or pattern.resource_name in users


def _spaces(resource: ResourceType, names: Names, registry: PartyRegistry) -> list[str]:
    """With what the names of this hub's topics, or of its groups, begin."""
    if resource == ResourceType.TOPIC:
        return [f"{names.prefix}in.", f"{names.prefix}out.", names.checkpoints]
    if resource == ResourceType.GROUP:
        parties = [names.party_group(party.id, "") for party in registry]
        return [names.hub_group(""), f"{names.prefix}auditor.", *parties]
    return []

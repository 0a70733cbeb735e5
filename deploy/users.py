"""The Kafka users of a world: SCRAM-SHA-512, one password each, drawn here and told to nobody but the world's file.

Rule: a password is kept by the world (private file) and by the broker only salted and hashed; none is ever logged.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialDeletion, UserScramCredentialUpsertion

from contracts.failures import TransportFailure

PASSWORD_BYTES: Final = 24
ITERATIONS: Final = 4096


def draw_passwords(users: Iterable[str]) -> dict[str, str]:
    """Return a new random password for each user."""
    return {user: secrets.token_urlsafe(PASSWORD_BYTES) for user in users}


def create_users(client: KafkaAdminClient, passwords: Mapping[str, str]) -> None:
    """Create every user, or give it its new password, in one call; raise `TransportFailure` where one is refused."""
    _alter(
        client,
        [
            UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password, iterations=ITERATIONS)
            for user, password in passwords.items()
        ],
    )


def delete_users(client: KafkaAdminClient, users: Iterable[str]) -> None:
    """Delete every user in one call; raise `TransportFailure` where one is refused."""
    _alter(client, [UserScramCredentialDeletion(user, ScramMechanism.SCRAM_SHA_512) for user in users])


def _alter(
    client: KafkaAdminClient, changes: list[UserScramCredentialUpsertion] | list[UserScramCredentialDeletion]
) -> None:
    answers = client.alter_user_scram_credentials(changes)
    refused = sorted(user for user, message in answers.items() if message is not None)
    if refused:
        raise TransportFailure(
            f"the broker refused to change `{len(refused)}` users, first `{refused[0]}`: "
            "expected a deployer that may alter the cluster"
        )

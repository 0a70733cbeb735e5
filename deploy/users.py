"""The Kafka users of a world: SCRAM-SHA-512, one password each, drawn here and told to nobody but the world's file.

Rules:
- A password is kept by the world (private file) and by the broker only salted and hashed; none is ever logged.
- A user is never deleted but locked (a new password that nobody has): after a deletion Apache Kafka 4.3.0 knows no
  SCRAM user any more when it starts again, its own included (`contracts/decisions/users-are-locked-not-deleted.md`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from kafka.admin import KafkaAdminClient, ScramMechanism, UserScramCredentialUpsertion

from contracts.failures import TransportFailure

PASSWORD_BYTES: Final = 24
ITERATIONS: Final = 4096


def draw_passwords(users: Iterable[str]) -> dict[str, str]:
    """Return a new random password for each user."""
    return {user: secrets.token_urlsafe(PASSWORD_BYTES) for user in users}


def create_users(client: KafkaAdminClient, passwords: Mapping[str, str]) -> None:
    """Create every user, or give it its new password, in one call; raise `TransportFailure` where one is refused."""
    answers = client.alter_user_scram_credentials(
        [
            UserScramCredentialUpsertion(user, ScramMechanism.SCRAM_SHA_512, password, iterations=ITERATIONS)
            for user, password in passwords.items()
        ]
    )
    refused = sorted(user for user, message in answers.items() if message is not None)
    if refused:
        raise TransportFailure(
            f"the broker refused to change `{len(refused)}` users, first `{refused[0]}`: "
            "expected a deployer that may alter the cluster"
        )


def users_there(client: KafkaAdminClient) -> set[str]:
    """Everybody who has a password on the cluster."""
    return set(client.describe_user_scram_credentials())


def lock_users(client: KafkaAdminClient, users: Iterable[str]) -> None:
    """Give every user a new password that nobody has; an open connection ends when it must authenticate again."""
    create_users(client, draw_passwords(users))

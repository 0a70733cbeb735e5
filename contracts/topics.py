"""Names of topics, users and consumer groups, for one hub or for one played world beside others.

Rules:
- `in.<party>.v1` and `out.<party>.v1`, party id in lower case with `-` for `.`; `in.hub.v1` is the hub's own.
- A played world puts `<world>.` before every name, so worlds share a broker and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

HUB_PARTY: Final = "HUB"


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one hub. `world` is empty in production."""

    world: str = ""

    @property
    def prefix(self) -> str:
        """What stands before every name of this world."""
        return f"{self.world}." if self.world else ""

    def input(self, party_id: str) -> str:
        """The topic on which `party_id` states facts."""
        return f"{self.prefix}in.{_folded(party_id)}.v1"

    def output(self, party_id: str) -> str:
        """The topic on which `party_id` is told what it may see."""
        return f"{self.prefix}out.{_folded(party_id)}.v1"

    @property
    def hub_input(self) -> str:
        """The hub's own input: ticks, enrolments, issued keys, retries, and what the hub states itself."""
        return self.input(HUB_PARTY)

    @property
    def checkpoints(self) -> str:
        """The topic of signed checkpoints."""
        return f"{self.prefix}hub.checkpoints.v1"

    def user(self, party_id: str) -> str:
        """The Kafka user of a party."""
        return f"{self.prefix}{_folded(party_id)}"

    def service(self, name: str) -> str:
        """The Kafka user of one of the hub's own services: `reader`, `sender`, `operator`, `deployer`."""
        return f"{self.prefix}hub-{name}"

    def party_group(self, party_id: str, name: str) -> str:
        """A consumer group of a party: its prefix is the party's own."""
        return f"{self.prefix}{_folded(party_id)}.{name}"

    def confirmed_group(self, party_id: str) -> str:
        """The group in which a party says how far its own store has its output."""
        return self.party_group(party_id, "confirmed")

    def hub_group(self, name: str) -> str:
        """A consumer group of the hub."""
        return f"{self.prefix}hub.{name}"


def _folded(party_id: str) -> str:
    return party_id.lower().replace(".", "-")

"""The party registry: which organisations take part, in which role, for which municipality.

Rules:
- A party id is `<municipality or unit>.<ROLE>` (`A.SOC`), or the role alone for a state-wide party (`PRI`).
- The role is the last part of the id; the municipality is the first part of a two-part id.
- An id whose first part is the code of a jurisdiction (`dk.kf.KIF`, `se.kv.KIF`) belongs to that country; any other
  names none, and may take part in cases of either.
- Two ids whose topic names fold to one are refused.
- Who has left states and is told nothing more. It stays in the registry for what it stated: that counts as stated by
  that party as it was.

Source: domain specification, 1; scenario grammar ("Registry of a scenario").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from contracts.civil_time import ZONE_OF_JURISDICTION
from contracts.failures import BadRegistry

PARTY_ID: Final = re.compile(r"[A-Za-z0-9]{1,40}(?:\.[A-Za-z0-9]{1,40}){0,3}")


@dataclass(frozen=True, slots=True, order=True)
class Party:
    """One organisation in one role."""

    id: str
    healthcare_provider: bool = False
    reads: tuple[tuple[str, int], ...] = ()
    """The event types that this party is still sent in an earlier version, each with that version."""
    silent_after_seconds: int | None = field(default=None, compare=False)
    """After how long without a sign of life the party counts as silent; `None`: as for everybody."""
    left: bool = False
    """Whether the party took part once and does no longer."""

    @property
    def role(self) -> str:
        """The last part of the id, `SOC` of `A.SOC`."""
        return role_of_id(self.id)

    @property
    def municipality(self) -> str | None:
        """The first part of a two-part id, `A` of `A.SOC`; `None` for a party without one."""
        return _municipality(self.id)

    @property
    def country(self) -> str | None:
        """The jurisdiction that the first part of the id names, `DK` of `dk.kf.KIF`; `None` where it names none."""
        return country_of_id(self.id)

    @property
    def name_in_topics(self) -> str:
        """The id as topic, user and file names carry it: lower case, `-` for `.`."""
        return self.id.lower().replace(".", "-")


@lru_cache(maxsize=65_536)
def role_of_id(party_id: str) -> str:
    """Return the role that a party id names, registered or not."""
    # Asked for every pair of publisher and receiver of every case: worth remembering.
    return party_id.rpartition(".")[2]


@lru_cache(maxsize=65_536)
def country_of_id(party_id: str) -> str | None:
    """Return the jurisdiction whose code begins a party id, registered or not; `None` where none does."""
    code, dot, _ = party_id.partition(".")
    return code.upper() if dot and code.upper() in ZONE_OF_JURISDICTION else None


@lru_cache(maxsize=65_536)
def _municipality(party_id: str) -> str | None:
    head, dot, tail = party_id.partition(".")
    return head if dot and "." not in tail else None


@dataclass(frozen=True)
class PartyRegistry:
    """All parties of one hub, by id. Immutable; a joining party is a new registry. In it is who takes part now."""

    parties: Mapping[str, Party]
    left: Mapping[str, Party] = field(default_factory=dict)
    """Those who took part once."""

    @classmethod
    def of(cls, parties: Iterable[Party]) -> PartyRegistry:
        """Build a registry; raise `BadRegistry` where an id is malformed or two fold to one topic name."""
        by_id: dict[str, Party] = {}
        names: dict[str, str] = {}
        for party in parties:
            if not PARTY_ID.fullmatch(party.id):
                raise BadRegistry(f"party id `{party.id}`: expected letters, digits and up to three dots")
            other = names.setdefault(party.name_in_topics, party.id)
            if other != party.id:
                raise BadRegistry(f"party ids `{other}` and `{party.id}` fold to one topic name: rename one of them")
            by_id[party.id] = party
        in_order = sorted(by_id.items())
        return cls(
            {party_id: party for party_id, party in in_order if not party.left},
            {party_id: party for party_id, party in in_order if party.left},
        )

    @classmethod
    def of_cited_text(cls, text: bytes) -> PartyRegistry:
        """Build the registry whose `cited_text` is `text`."""
        lines = (line.split(" ") for line in text.decode().splitlines())
        return cls.of(Party(party_id, provider == str(True), left=bool(left)) for party_id, provider, *left in lines)

    def __iter__(self) -> Iterator[Party]:
        return iter(self.parties.values())

    def __contains__(self, party_id: str) -> bool:
        return party_id in self.parties

    def __getitem__(self, party_id: str) -> Party:
        return self.parties[party_id]

    @cached_property
    def with_left(self) -> tuple[Party, ...]:
        """Who takes part or took part once, by id: everybody of whom a fact may be."""
        return tuple(sorted((*self, *self.left.values()), key=lambda party: party.id))

    def require_all_of(self, before: PartyRegistry) -> None:
        """Raise `BadRegistry` where a party of `before` is missing: what it stated would be taken back from others."""
        known = {party.id for party in self.with_left}
        if missing := [party.id for party in before.with_left if party.id not in known]:
            raise BadRegistry(
                f"party `{missing[0]}` was in the registry and is not: what it stated needs it; keep its entry, with "
                "`left = true` where it takes part no longer"
            )

    @cached_property
    def cited_text(self) -> bytes:
        """What decisions rest on, one party a line. `reads` is no part of it: it only changes the form of what is sent.

        `of_cited_text` reads it again.
        """
        lines = (f"{party.id} {party.healthcare_provider}{' left' * party.left}" for party in self.with_left)
        return "\n".join(lines).encode()

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `cited_text`, in hex; decisions cite it."""
        return hashlib.sha256(self.cited_text).hexdigest()

    @cached_property
    def by_role(self) -> Mapping[str, tuple[Party, ...]]:
        """The parties of each role."""
        roles: dict[str, list[Party]] = {}
        for party in self:
            roles.setdefault(party.role, []).append(party)
        return {role: tuple(members) for role, members in roles.items()}

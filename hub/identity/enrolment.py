"""Answers a party: national id to its key of that citizen, its key to the basics of that citizen.

Rules:
- A party's answer is the same, and takes the same steps, whether or not the hub knew the citizen: an unknown one is
  enrolled, and a known one is announced again. Announcing twice has no effect.
- The shard learns of a citizen before the party learns the key: the enrolment is the first record of a case, the
  issued key the second, both on the case's partition of `in.hub.v1`. They carry no national id and no name.
- A party may be told of a citizen first, under a key that it never asked for: the shards know the case of that one.
- Basics go to a party only while it sees something of the case. An unknown key, another party's key and a case of
  which it sees nothing, also since the hub is stopped or behind, fail with one and the same message.
- Two national ids may turn out to be one citizen: the case of the one that is given up is merged into the other's, and
  from then on either id, and every key of either, leads there. The vault decides; telling the shard may be repeated.
- No failure shows a national id, a name or a birth date.

A look-up comes from a party's own authenticated channel; records go to the shard through `hub.broker`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from contracts.civil_time import day_date, day_number, day_of, zone_of
from contracts.derived_ids import require_secret
from contracts.failures import NotFound
from contracts.parties import Party, PartyRegistry
from contracts.partitioning import partition_of
from hub.broker.ports import ControlChannel
from hub.identity.basics import Basics, BasicsRules
from hub.identity.national_ids import parse_national_id
from hub.identity.pseudonyms import pseudonym
from hub.identity.vault import Citizen, Vault

SeesSomething = Callable[[str, str], bool]
"""Whether, now, a party has a visible field of a case: called with (case id, party id)."""
CaseBehind = Callable[[str, str], str | None]
"""The case under whose key a party was told something, or `None`: called with (party id, key)."""


class Identity:
    """Identity of one hub.

    `secret` is the hub's own, the same one from which every shard derives pseudonyms; `clock` says what time it is, in
    milliseconds.
    """

    def __init__(
        self,
        vault: Vault,
        secret: bytes,
        channel: ControlChannel,
        registry: PartyRegistry,
        rules: BasicsRules,
        clock: Callable[[], int],
    ) -> None:
        require_secret(secret, "the hub's secret")
        self._vault = vault
        self._secret = secret
        self._channel = channel
        self._registry = registry
        self._rules = rules
        self._clock = clock

    def enrol(self, national_id: str, birth_date: date | None = None, name: str | None = None) -> str:
        """Enrol a citizen, or note the name of a known one; return the case id, which is the hub's own.

        Raises `BadNationalId` where the id has no known form or may be of either country, or tells no birth date and
        none is given, or one that cannot be.
        """
        return self._announced(national_id, birth_date, name).case_id

    def key_for(self, national_id: str, party: str, birth_date: date | None = None) -> str:
        """Return `party`'s key of the citizen with `national_id`, who is enrolled if unknown.

        Raises `NotFound` for a party outside the registry, `BadNationalId` as `enrol`, `TransportFailure` where the
        shard could not be told: ask again, the key will be the same.
        """
        member = self._member(party)
        citizen = self._announced(national_id, birth_date, None)
        key = pseudonym(self._secret, citizen.case_id, member.id, citizen.shard, self._vault.partitions)
        self._channel.publish(citizen.shard, "KeyIssued", {"caseId": citizen.case_id, "party": member.id, "key": key})
        self._vault.record_issued(member.id, key, citizen)
        return key

    def basics_of(self, key: str, party: str, sees_something: SeesSomething, case_behind: CaseBehind) -> Basics:
        """Return what `party` may know of the citizen whom it calls `key`; raise `NotFound` where nothing."""
        member = self._member(party)
        citizen = self._vault.behind(member.id, key) or self._told_under(member, key, case_behind)
        if citizen is None or not sees_something(citizen.case_id, member.id):
            # One message for all: who asks does not learn which keys there are.
            raise NotFound(
                f"`{member.id}` sees nothing of a citizen under this key: check that it is its own key; if it is, the "
                "hub may be stopped or behind: ask again later"
            )
        # After a merge this is another key than the one that was asked for, and how the party learns of it.
        present_key = pseudonym(self._secret, citizen.case_id, member.id, citizen.shard, self._vault.partitions)
        return self._rules.cut(citizen, present_key, member.role)

    def _told_under(self, member: Party, key: str, case_behind: CaseBehind) -> Citizen | None:
        case_id = case_behind(member.id, key)
        if case_id is None:
            return None
        # A key is derived, so no damaged index of a shard makes it another citizen's.
        partition, partitions = partition_of(key.encode(), self._vault.partitions), self._vault.partitions
        if pseudonym(self._secret, case_id, member.id, partition, partitions) != key:
            return None
        return self._vault.of_case(case_id)

    def link(self, given_up: str, kept: str) -> tuple[Citizen, Citizen]:
        """Merge the case of the national id `given_up` into that of `kept`; return both citizens, that one first.

        Raises as `Vault.link` and `BadNationalId`; `TransportFailure` where the shard could not be told: ask again.
        """
        losing, winning = self._vault.link(parse_national_id(given_up), parse_national_id(kept))
        for citizen in (losing, winning):
            self._announce(citizen)
        merged = {"caseId": losing.case_id, "other": winning.case_id, "otherShard": winning.shard}
        self._channel.publish(losing.shard, "CaseMerged", merged | {"change": losing.changes})
        return losing, winning

    def unlink(self, given_up: str) -> tuple[Citizen, Citizen]:
        """Take the link of the national id `given_up` back; return the citizens and raise as `link` does."""
        losing, winning = self._vault.unlink(parse_national_id(given_up))
        unlinked = {"caseId": losing.case_id, "change": losing.changes}
        self._channel.publish(losing.shard, "CaseUnlinked", unlinked)
        return losing, winning

    def done(self, losing: Citizen, winning: Citizen) -> None:
        """Note that the shards have done the change that `link` or `unlink` returned these for."""
        self._vault.done(losing, winning)

    def _member(self, party: str) -> Party:
        if party not in self._registry:
            raise NotFound("no such party in the registry: give a party id as the registry writes it")
        return self._registry[party]

    def _announced(self, national_id: str, birth_date: date | None, name: str | None) -> Citizen:
        parsed = parse_national_id(national_id)
        today = day_date(day_of(self._clock(), zone_of(parsed.jurisdiction)))
        citizen = self._vault.enrol(parsed, today, birth_date, name)
        self._announce(citizen)
        return citizen

    def _announce(self, citizen: Citizen) -> None:
        payload = {
            "caseId": citizen.case_id,
            "birthDate": day_number(citizen.birth_date),
            "jurisdiction": citizen.jurisdiction,
        }
        self._channel.publish(citizen.shard, "CitizenEnrolled", payload)

"""One case opened for an auditor: its records, and all by which its shard decided at any time.

Rules:
- The shard's clock is read before the records: what a worker stores meanwhile is not told as known by then.
- Nothing is known of what comes after that clock, so nothing is said of a later time.
- The rules of a time are those that the shard kept, not what the files say today.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from contracts.civil_time import zone_of
from contracts.failures import DamagedStore, NotFound
from deploy.options import instant_known
from deploy.stores import agreements_in, governance_records, policies_of, store_of
from deploy.world import World
from hub.case_timeline.known import known_at
from hub.consent.agreements import Agreements
from hub.consent.policies import Policies
from hub.evidence.grounds import Grounds, ever_knew
from hub.identity.pseudonyms import TELLING_SHARD, governance_case
from hub.store.reader import ShardReader
from hub.store.records import CaseRecord, CitizenEnrolled, GovernanceOpened, RulesAdopted


@dataclass(frozen=True, slots=True)
class AuditedCase:
    """The records of a case up to `clock` (milliseconds), its shard, and the grounds of that shard."""

    case_id: str
    records: list[CaseRecord]
    jurisdiction: str
    clock: int
    partition: int
    present: Policies
    adoptions: list[RulesAdopted]
    grounds: Grounds
    governance: list[CaseRecord]
    confirmed: Mapping[str, int]
    """The last number of each party that the broker has confirmed."""
    is_told_elsewhere: bool
    """Whether it is about no citizen, and another shard tells of what is on it."""

    @property
    def zone(self) -> ZoneInfo:
        """The civil time zone of the case."""
        return zone_of(self.jurisdiction)

    def instant(self, text: str | None) -> int:
        """The instant of a local time, or the shard's clock; raise `CallerFailure` for a time that is still to come."""
        return self.clock if text is None else instant_known(text, self.zone, self.clock)

    def agreements_at(self, at: int) -> Agreements:
        """The agreements as the shard knew them at `at`."""
        return agreements_in(self.governance, self.grounds.policies_at(at), at)

    def knew_party(self, party: str) -> bool:
        """Whether a party is in the registry, or was in one under which the shard decided."""
        return party in self.present.registry or ever_knew(self.adoptions, party)


def audited_case(world: World, stores: list[ShardReader], case_id: str) -> AuditedCase:
    """Read a case; raise `NotFound` where no shard has it, or where it was erased."""
    clocks = {id(store): store.head().clock for store in stores}
    store = store_of(stores, case_id)
    partition, clock, present = stores.index(store), clocks[id(store)], policies_of(world)
    records = list(known_at(store.case_records(case_id), clock))
    if not records:
        raise NotFound("the case has only just begun: ask again")
    adoptions = list(store.adoptions())
    first = records[0]
    if not isinstance(first, CitizenEnrolled | GovernanceOpened):
        raise DamagedStore("a case does not begin with its enrolment")
    return AuditedCase(
        case_id,
        records,
        first.jurisdiction,
        clock,
        partition,
        present,
        adoptions,
        Grounds(adoptions, present, records),
        governance_records(world, stores, first.jurisdiction, partition),
        store.send_positions(),
        partition != TELLING_SHARD and case_id == governance_case(world.hub_secret, first.jurisdiction, partition),
    )


def batches_around(store: ShardReader, at: int) -> tuple[int, int | None]:
    """The clocks of the last batch of a shard up to `at` (0: none) and of the first after it (`None`: none yet)."""
    versions = range(1, store.head().batch + 1)

    def clock_of(version: int) -> int:
        return store.batch(version).clock

    begun = bisect_right(versions, at, key=clock_of)
    before = clock_of(versions[begun - 1]) if begun else 0
    return before, clock_of(versions[begun]) if begun < len(versions) else None

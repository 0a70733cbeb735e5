"""What the tests of reminders have in common: facts that begin and stop clocks, and who is reminded."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from contracts.civil_time import resolve, zone_of
from tests.shard.harness import ShardUnderTest, imprisonment

PARTIES = ("PRI", "KIF", "PHE", "PSY", "A.SOC", "A.JOB", "A.BEN", "A.HSG", "A.ADD", "A.YTH", "B.SOC")
UUID = "c0000000-0000-4000-8000-00000000000{}".format
ZONE = zone_of("DK")
CUSTODY = imprisonment(0)["custodyId"]


def local(year: int, month: int, day: int, hour: int = 0) -> int:
    return resolve(datetime(year, month, day, hour), ZONE)


def until(hub: ShardUnderTest, instant: int) -> None:
    """Tick once at `instant` and settle: time alone passes."""
    hub.tick(instant - hub.now)
    hub.settle()


def reminders(hub: ShardUnderTest, party: str) -> dict[str, tuple[int, list[str]]]:
    """What the party is reminded of now: kind -> (when it ran out, on which events it rests)."""
    return {
        held["kind"]: (held["dueAt"], held["basedOn"])
        for held in hub.held(party).values()
        if "publishersSilent" in held
    }


def who_is_reminded(hub: ShardUnderTest, kind: str) -> list[str]:
    return [party for party in hub.parties if kind in reminders(hub, party)]


def raised(hub: ShardUnderTest, party: str, kind: str) -> int:
    """How often the party was told of a reminder of that kind, taken back or not."""
    return sum(effect == "disclosed" and said.get("kind") == kind for _, effect, _, said in hub.told(party))


def imprisoned(hub: ShardUnderTest, **changes: Any) -> str:
    return hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now) | changes, "start")


def released(hub: ShardUnderTest, *, supervision: bool = False) -> str:
    values = {"custodyId": CUSTODY, "releasedAt": hub.now, "supervision": supervision}
    return hub.state("PRI", "ReleasedAtEndOfSentence", values, "released")


def trial(hub: ShardUnderTest) -> str:
    values = {
        "trialId": UUID(1),
        "requestedAt": hub.now,
        "at": hub.now,
        "plannedEnd": date(2025, 1, 20),
        "facility": "A.ADD",
        "funding": "TRIAL_BUDGET",
    }
    return hub.state("A.ADD", "TreatmentTrialStarted", values, "trial")


def trial_lapsed(hub: ShardUnderTest) -> str:
    values = {
        "trialId": UUID(1),
        "requestedAt": hub.now,
        "at": hub.now,
        "plannedEnd": date(2025, 1, 20),
        "facility": "A.ADD",
        "funding": "TRIAL_BUDGET",
        "lapseReason": "LEFT",
    }
    return hub.state("A.ADD", "TreatmentTrialLapsed", values, "lapsed")


def housing(hub: ShardUnderTest, party: str = "A.HSG", event_type: str = "HousingSecured") -> str:
    values = {"housingId": UUID(2), "kind": "OWN_TENANCY", "at": hub.now}
    return hub.state(party, event_type, values, f"{event_type} {hub.now}")


TRIAL_OVER = local(2025, 1, 21)

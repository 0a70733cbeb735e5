"""A consent that ends after a gate had hidden what it showed: the party still has it, and is told to remove it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from contracts.fact import ce_id_of
from hub.disclosure import endings
from tests.shard.harness import DAY_MS, HOUR_MS, ShardUnderTest, imprisonment
from tests.shard.reminding import released
from tests.shard.test_consent_endings import amended, told_of_endings
from tests.shard.test_disclosing import given, withdrawn

PARTIES = ("PRI", "KIF", "A.SOC", "A.ADD", "FAC")


@pytest.fixture
def hub(tmp_path: Path) -> ShardUnderTest:
    hub = ShardUnderTest(tmp_path, PARTIES)
    hub.enrol()
    hub.state("PRI", "ImprisonmentStarted", imprisonment(hub.now), "start")
    return hub


def outreach(hub: ShardUnderTest, number: int = 9) -> str:
    values = {"contactId": f"c0000000-0000-4000-8000-00000000000{number}", "at": hub.now, "setting": "STREET"}
    return hub.state("A.ADD", "OutreachContactMade", values, f"outreach {number}")


def shown_until_the_release(hub: ShardUnderTest, **changes: Any) -> str:
    """The prison is shown something by a consent until the release, which is now; return the consent's record."""
    record = given(hub, ["SU"], ["PRI", "FAC"], sources=["A.ADD"], **changes)
    contact = outreach(hub)
    hub.settle()
    assert contact in hub.view("PRI")
    hub.tick(HOUR_MS)
    released(hub)
    hub.settle()
    assert contact not in hub.view("PRI")
    return record


def shown_then_hidden(hub: ShardUnderTest, **changes: Any) -> str:
    """The same, an hour later."""
    record = shown_until_the_release(hub, **changes)
    assert told_of_endings(hub, "PRI") == []
    hub.tick(HOUR_MS)
    return record


def test_a_withdrawal_after_the_release_is_told_to_the_prison_once_and_it_owes_a_receipt(hub: ShardUnderTest) -> None:
    record = shown_then_hidden(hub)
    hub.restart()
    withdrawn(hub)
    told = [(ce_id_of(record), hub.now)]
    hub.settle()
    assert [told_of_endings(hub, party) for party in PARTIES] == [told, [], [], [], told]
    assert sorted(owed.party for owed in hub.store.obligations().values()) == ["FAC", "PRI"]
    for _ in range(2):
        hub.tick(DAY_MS)
        amended(hub, categories=["HO"], recipients=["PRI"])
        hub.state("PRI", "RemandStarted", remand(hub), f"remand {hub.now}")
        hub.settle()
        hub.restart()
    assert told_of_endings(hub, "PRI") == told


def remand(hub: ShardUnderTest) -> dict[str, Any]:
    custody = {
        "custodyId": f"c0000000-0000-4000-8000-{hub.now % 10**12:012d}",
        "startedAt": hub.now,
        "institution": "PRI",
    }
    return custody | {"restrictions": False, "homeMunicipality": "A"}


def test_a_consent_that_lapses_after_the_release_is_told_when_it_does(hub: ShardUnderTest) -> None:
    ends = hub.now + 5 * HOUR_MS
    record = shown_then_hidden(hub, validUntil=ends)
    hub.tick(ends - 1 - hub.now)
    hub.settle()
    assert told_of_endings(hub, "PRI") == []
    hub.tick(HOUR_MS)
    hub.settle()
    assert told_of_endings(hub, "PRI") == [(ce_id_of(record), ends)]


def test_what_the_consent_would_still_open_has_not_ended(hub: ShardUnderTest) -> None:
    shown_then_hidden(hub)
    amended(hub, categories=["SU", "HO"], sources=["A.ADD"], recipients=["PRI"])
    hub.settle()
    assert [len(told_of_endings(hub, party)) for party in ("PRI", "FAC")] == [0, 1]
    hub.tick(HOUR_MS)
    hub.state("PRI", "RemandStarted", remand(hub), "remand")
    hub.settle()
    assert len(hub.view("PRI")) > 0
    assert told_of_endings(hub, "PRI") == []
    hub.tick(HOUR_MS)
    withdrawn(hub)
    hub.settle()
    assert [at for _, at in told_of_endings(hub, "PRI")] == [hub.now]


def test_an_event_that_ends_no_consent_costs_no_further_look(
    hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = {"activityId": "c0000000-0000-4000-8000-000000000007", "kind": "PRISON_WORK", "at": hub.now}
    stated = hub.state("PRI", "EmploymentStarted", work, "work")
    shown_then_hidden(hub)
    assert stated in hub.view("A.SOC")
    withdrawn(hub)
    hub.settle()
    looks: list[object] = []
    monkeypatch.setattr(endings, "derive", lambda *given: looks.append(given))
    outreach(hub, 8)
    hub.state("PRI", "EmploymentStarted", work | {"kind": "INTERNSHIP"}, "work", revision=1)
    hub.settle()
    assert stated not in hub.view("A.SOC")
    assert looks == []

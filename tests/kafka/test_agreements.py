"""Agreements by command on the real broker: every shard knows, each party is told once, and an end is an end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.failures import CallerFailure, NotFound
from deploy.command_line import hub
from deploy.stores import governance_records, opened_stores
from hub.identity.pseudonyms import governance_key
from hub.store.records import DecisionsRecorded, FactRecorded
from tests.kafka.live_world import PARTITIONS, LiveWorld

AGREEMENT = "a0000000-0000-4000-8000-000000000009"
TEXT = f"""
agreementId = "{AGREEMENT}"
kind = "PARTNERSHIP"
parties = ["PRI", "A.SOC"]
startsOn = 2025-01-01
categories = ["SU"]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "agreement.toml"
    file.write_text(TEXT)
    return file


def run(live: LiveWorld, *arguments: str) -> Result:
    return CliRunner().invoke(hub, [*arguments, "--world", str(live.world.directory)])


def said(live: LiveWorld, *arguments: str) -> str:
    result = run(live, *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def stated(live: LiveWorld, event_type: str) -> list[list[str]]:
    """By shard: the events of this type about no citizen."""
    with opened_stores(live.world) as stores:
        return [
            [
                record.event_id
                for record in governance_records(live.world, stores, "DK", shard)
                if isinstance(record, FactRecorded) and record.event_type == event_type
            ]
            for shard in range(PARTITIONS)
        ]


def told(live: LiveWorld) -> list[tuple[int, str]]:
    """(shard, party) of every agreement that was told."""
    with opened_stores(live.world) as stores:
        return sorted(
            (shard, decision.party)
            for shard in range(PARTITIONS)
            for record in governance_records(live.world, stores, "DK", shard)
            if isinstance(record, DecisionsRecorded)
            for decision in record.decisions
            if decision.number
        )


def test_an_agreement_is_known_to_every_shard_and_told_once(live: LiveWorld, file: Path) -> None:
    assert said(live, "agreement", "register", str(file)) == f"{AGREEMENT}\n"
    by_shard = stated(live, "AgreementRegistered")
    assert len(by_shard[0]) == 1
    assert by_shard == [by_shard[0]] * PARTITIONS
    live.wait_until(lambda: told(live) == [(0, "A.SOC"), (0, "PRI")], "both parties were told")
    live.wait_until(lambda: by_shard[0][0] in live.seen_by_prison(), "the prison has it")
    assert [(one["agreementId"], one["state"]) for one in json.loads(said(live, "agreement", "list", "--json"))] == [
        (AGREEMENT, "in force")
    ]

    said(live, "agreement", "register", str(file))
    assert stated(live, "AgreementRegistered") == by_shard, "the same words again are the same registration"

    file.write_text(TEXT + "endsOn = 2025-02-01\n")
    said(live, "agreement", "register", str(file))
    assert "over" in said(live, "agreement", "list")
    said(live, "agreement", "end", AGREEMENT)
    assert [len(events) for events in stated(live, "AgreementEnded")] == [1] * PARTITIONS
    assert "ended" in said(live, "agreement", "list")
    refused = run(live, "agreement", "end", AGREEMENT)
    assert isinstance(refused.exception, CallerFailure)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ('parties = ["PRI", "Z.SOC"]', "Z.SOC"),
        ("startsOn = 'someday'", "startsOn"),
        ('kind = "TREATY"', "kind"),
        ('categories = ["XX"]', "categories"),
        ("subject = 'x'", "its key number 6 is no field"),
        ("costRule = 'LUCK'", "costRule"),
    ],
)
def test_a_wrong_file_is_refused_naming_what_is_wrong(live: LiveWorld, file: Path, wrong: str, named: str) -> None:
    name = wrong.partition(" ")[0]
    lines = [line for line in TEXT.splitlines() if not line.startswith(name)]
    file.write_text("\n".join([*lines, wrong]))
    before = stated(live, "AgreementRegistered")
    result = run(live, "agreement", "register", str(file))
    assert result.exit_code != 0
    assert named in str(result.exception)
    assert stated(live, "AgreementRegistered") == before


def test_roles_of_staff_and_keys_of_governance_by_command(live: LiveWorld) -> None:
    event_id = said(
        live, "governance", "staff", "--party", "A.SOC", "--role", "PROJECT_LEADER", "--staff", "s7"
    ).strip()
    assert stated(live, "StaffRoleChanged") == [[event_id], []]
    key = said(live, "governance", "key", "--party", "A.SOC").strip()
    assert key == governance_key(live.world.hub_secret, "DK", "A.SOC", PARTITIONS)
    case_id = said(live, "governance", "case").strip()
    timeline = said(live, "case", "timeline", case_id)
    assert "StaffRoleChanged" in timeline
    assert "PolicyActivated" in timeline
    assert isinstance(run(live, "governance", "key", "--party", "Z.SOC").exception, NotFound)

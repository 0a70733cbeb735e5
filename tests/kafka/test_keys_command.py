"""Keys made, registered, rotated and revoked by command, while agencies publish through the real Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from contracts.parties import Party, PartyRegistry
from contracts.reasons import Reason
from contracts.signatures import SigningKey
from deploy.keys_command import keys
from tests.conftest import MakeWorld
from tests.kafka.live_world import PARTITIONS, REGISTRY, LiveWorld
from tests.revocation.drill import REVOKED_SECONDS_MAX, revoke_under_load

pytestmark = pytest.mark.kafka

EXTENDED: Final = PartyRegistry.of([*REGISTRY, Party("B.SOC")])


@pytest.fixture(scope="module")
def live(make_world: MakeWorld) -> Iterator[LiveWorld]:
    """A hub of its own: its keys end here. B.SOC has none yet."""
    world = LiveWorld(make_world(EXTENDED, partitions=PARTITIONS, played=False))
    yield world
    world.close()


def hub_keys(live: LiveWorld | None, *arguments: str, exit_code: int = 0) -> str:
    place = ["--world", str(live.world.directory)] if live else []
    done = CliRunner().invoke(keys, [*arguments, *place], catch_exceptions=exit_code != 0)
    assert done.exit_code == exit_code, done.output
    return done.output if exit_code == 0 else f"{done.output}{done.exception}"


def states(live: LiveWorld, party: str) -> dict[str, str]:
    rows = json.loads(hub_keys(live, "list", "--party", party, "--json"))["keys"]
    return {row["key"]: row["state"] for row in rows}


def without_a_key(live: LiveWorld) -> set[str]:
    """The parties that the worker's metrics name as having no key."""
    samples = live.metrics().items()
    return {labels.split('"')[1] for (name, labels), value in samples if name == "hub_signing_key_missing" and value}


def test_a_key_is_made_registered_rotated_and_revoked(live: LiveWorld, tmp_path: Path) -> None:
    first = live.world.signing_key("A.SOC")
    assert states(live, "A.SOC") == {first.id: "signs"}
    under_first = live.publish(live.housing())
    live.wait_until(lambda: under_first in live.seen_by_prison(), "the fact under the first key is disclosed")

    old_file, new_file = tmp_path / "old", tmp_path / "new"
    old_file.write_text(first.private.hex(), encoding="ascii")
    public = hub_keys(None, "make", str(new_file)).strip()
    assert new_file.stat().st_mode & 0o777 == 0o600
    assert "cannot be made" in hub_keys(None, "make", str(new_file), exit_code=1)
    proof = hub_keys(None, "endorse", "A.SOC", str(old_file), public).strip()
    assert "oldKeyId" in hub_keys(live, "rotate", "PRI", public, proof, exit_code=1)
    of_another = hub_keys(None, "endorse", "PRI", str(old_file), public).strip()
    assert "proof" in hub_keys(live, "rotate", "A.SOC", public, of_another, exit_code=1)
    hub_keys(live, "rotate", "A.SOC", public, proof)
    second = SigningKey.read(new_file)
    assert states(live, "A.SOC") == {first.id: "superseded", second.id: "signs"}

    late = live.housing()
    known = len(live.parked())
    live.publish(late)
    live.wait_until(lambda: len(live.parked()) > known, "the record under the superseded key is parked")
    assert [one.reason for one in live.parked()] == [Reason.UNKNOWN_SIGNING_KEY]
    live.publisher("A.SOC")._signing_key = second
    between = datetime.now(UTC).isoformat()
    under_second = [live.publish(live.housing()) for _ in range(3)]
    live.wait_until(lambda: set(under_second) <= live.seen_by_prison(), "the facts under the second key are disclosed")

    began = time.monotonic()
    listed = json.loads(hub_keys(live, "revoke", "A.SOC", second.id, "--since", between, "--json"))
    assert time.monotonic() - began < REVOKED_SECONDS_MAX
    assert [row["event_id"] for row in listed] == under_second
    assert {row["party"] for row in listed} == {"A.SOC"}
    assert set(listed[0]) == {"party", "event_id", "case_id", "recorded_at"}
    known = len(live.parked())
    refused = live.publish(live.housing())
    live.wait_until(lambda: len(live.parked()) > known, "the record under the revoked key is parked")
    assert refused not in live.seen_by_prison()
    again = hub_keys(live, "revoke", "A.SOC", second.id)
    assert f"{second.id} is revoked; 3 facts were admitted under it" in again
    assert "a key that ended never comes back" in hub_keys(live, "register", "A.SOC", public, exit_code=1)


def test_a_key_is_revoked_while_its_party_goes_on_publishing(live: LiveWorld) -> None:
    outcome = revoke_under_load(live, seconds=1.0)
    assert 0 < outcome.admitted < outcome.published
    assert 0 < outcome.listed < outcome.admitted
    assert outcome.refused_after_seconds <= REVOKED_SECONDS_MAX
    assert outcome.is_list_exact


def test_a_party_without_a_key_is_named_and_gets_one(live: LiveWorld, tmp_path: Path) -> None:
    assert "B.SOC  no key: it need not sign" in hub_keys(live, "list")
    live.wait_until(lambda: without_a_key(live) == {"B.SOC"}, "the metrics name the one without a key")
    public = hub_keys(None, "make", str(tmp_path / "key")).strip()
    assert "weak" in hub_keys(live, "register", "B.SOC", "00" * 32, exit_code=1)
    assert "in use by another" in hub_keys(
        live, "register", "B.SOC", live.world.signing_key("PRI").public.hex(), exit_code=1
    )
    hub_keys(live, "register", "B.SOC", public)
    hub_keys(live, "register", "B.SOC", public)
    assert list(states(live, "B.SOC").values()) == ["signs"]
    live.wait_until(lambda: not without_a_key(live), "the metrics name nobody any more")
    assert "is no key of party" in hub_keys(live, "revoke", "B.SOC", live.world.signing_key("PRI").id, exit_code=1)
    assert "not in the registry" in hub_keys(live, "list", "--party", "X.SOC", exit_code=1)

"""The commands `hub identity`: who somebody is comes from standard input and never from an argument."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import deploy.identity_command as command
from contracts.failures import BadNationalId, CallerFailure, ForeignStore, NotFound
from contracts.parties import Party, PartyRegistry
from contracts.signatures import SigningKey
from deploy.world import OPERATOR_KEY, World
from hub.identity.vault import Citizen
from tests.identity.conftest import RecordingChannel

CPR = "0101900001"
OTHER_CPR = "0202910002"
KEYS = {OPERATOR_KEY: b"\x07" * 32}
NAME = "Marguerite Unusualname"


class ClosingChannel(RecordingChannel):
    """The recording channel with the Kafka channel's constructor and end."""

    made: list[ClosingChannel]

    def __init__(
        self, connection: object, names: object, principal: str, clock: object, signing_key: SigningKey
    ) -> None:
        super().__init__()
        assert signing_key.private == KEYS[OPERATOR_KEY]
        self.principal, self.closed = principal, False
        self.made.append(self)

    def publish(self, partition: int, event_type: str, payload: Mapping[str, Any]) -> None:
        assert not self.closed
        super().publish(partition, event_type, payload)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def world(tmp_path: Path) -> World:
    registry = PartyRegistry.of([Party("A.SOC"), Party("A.VOL"), Party("PRI")])
    passwords = {"hub-operator": "a password"}
    keys = secrets.token_bytes(32), secrets.token_bytes(32)
    cluster = ("", "broker.invalid:9092", "SASL_PLAINTEXT", None, 8, False)
    world = World(tmp_path, registry, *cluster, passwords, *keys, signing_keys=KEYS)
    command.create_vault(world)
    return world


@pytest.fixture(autouse=True)
def channels(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ClosingChannel]]:
    ClosingChannel.made = []
    monkeypatch.setattr("hub.broker.kafka_control.KafkaControl", ClosingChannel)
    yield ClosingChannel.made
    assert all(channel.closed for channel in ClosingChannel.made)


WAITED: list[tuple[str, str, str]] = []


def waited(world: World, losing: Citizen, winning: Citizen, step: str) -> None:
    WAITED.append((losing.case_id, winning.case_id, step))


def run(world: World, *arguments: str, typed: str = "", visible: bool = True) -> Result:
    group = command.identity_group(
        lambda: world, lambda _: lambda case_id, party: visible, lambda _: lambda party, key: None, waited
    )
    return CliRunner().invoke(group, list(arguments), input=typed)


def test_key_is_read_from_standard_input_and_answered(world: World, channels: list[ClosingChannel]) -> None:
    first = run(world, "key", "--party", "A.SOC", typed=f"{CPR}\n")
    again = run(world, "key", "--party", "A.SOC", typed=f"{CPR}\n\n")
    other = run(world, "key", "--party", "PRI", typed=f"{CPR}\n")
    assert first.exit_code == again.exit_code == other.exit_code == 0
    assert first.output == again.output != other.output
    assert CPR not in first.output
    assert [channel.principal for channel in channels] == ["identity"] * 3


def test_a_national_id_as_argument_is_not_taken(world: World, channels: list[ClosingChannel]) -> None:
    result = run(world, "key", CPR, "--party", "A.SOC")
    assert result.exit_code == 2
    assert channels == []


def test_basics_show_what_the_role_may_know(world: World) -> None:
    assert run(world, "enrol", typed=f"{CPR}\n\n{NAME}\n").output == "enrolled\n"
    key = run(world, "key", "--party", "A.SOC", typed=f"{CPR}\n").output.strip()
    volunteers_key = run(world, "key", "--party", "A.VOL", typed=f"{CPR}\n").output.strip()
    full = f"pseudonym: {key}\nbirth year: 1990\nname: {NAME}\nnational id: {CPR}\n"
    assert run(world, "basics", key, "--party", "A.SOC").output == full
    name_only = f"pseudonym: {volunteers_key}\nbirth year: 1990\nname: {NAME}\n"
    assert run(world, "basics", volunteers_key, "--party", "A.VOL").output == name_only


def test_basics_are_closed_where_the_party_sees_nothing(world: World) -> None:
    key = run(world, "key", "--party", "A.SOC", typed=f"{CPR}\n").output.strip()
    result = run(world, "basics", key, "--party", "A.SOC", visible=False)
    assert isinstance(result.exception, NotFound)
    assert result.output == ""


def test_birth_date_is_the_second_line_where_the_id_tells_none(world: World) -> None:
    missing = run(world, "key", "--party", "PRI", typed="0000000000\n")
    assert isinstance(missing.exception, BadNationalId)
    wrong = run(world, "key", "--party", "PRI", typed="0000000000\n6 May 1980\n")
    assert isinstance(wrong.exception, BadNationalId)
    assert "1980" not in str(wrong.exception)
    given = run(world, "key", "--party", "PRI", typed="0000000000\n1980-05-06\n")
    assert given.exit_code == 0


def test_on_a_terminal_the_national_id_is_asked_for_without_echo(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, bool]] = []

    def prompt(label: str, *, hide_input: bool, default: str, show_default: bool) -> str:
        asked.append((label, hide_input))
        return CPR

    class Terminal:
        @staticmethod
        def isatty() -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("click.prompt", prompt)
    national_id, birth_date = command._asked_citizen()
    assert (national_id, birth_date) == (CPR, None)
    assert asked == [("national id", True)]


def test_a_world_has_one_vault_and_none_by_opening(world: World, tmp_path: Path) -> None:
    with pytest.raises(ForeignStore):
        command.create_vault(world)
    command.vault_path(world).unlink()
    assert isinstance(run(world, "key", "--party", "PRI", typed=f"{CPR}\n").exception, ForeignStore)


def test_two_ids_are_linked_and_unlinked_from_standard_input(world: World, channels: list[ClosingChannel]) -> None:
    WAITED.clear()
    keys = [run(world, "key", "--party", "PRI", typed=f"{each}\n").output for each in (CPR, OTHER_CPR)]
    linked = run(world, "link", typed=f"{CPR}\n{OTHER_CPR}\n")
    assert (linked.exit_code, linked.output) == (0, "merged: one case goes on, the other is closed\n")
    assert run(world, "key", "--party", "PRI", typed=f"{CPR}\n").output == keys[1]
    unlinked = run(world, "unlink", "--json", typed=f"{CPR}\n")
    assert (unlinked.exit_code, unlinked.output) == (0, '{"outcome": "reopened"}\n')
    assert run(world, "key", "--party", "PRI", typed=f"{CPR}\n").output == keys[0]
    (losing, winning, _), again = WAITED
    assert again == (losing, winning, "reopened")
    told = [name for channel in channels for _, name, _ in channel.told]
    assert told.count("CaseMerged") == told.count("CaseUnlinked") == 1


def test_two_ids_that_cannot_be_linked_are_refused_without_showing_them(
    world: World, channels: list[ClosingChannel]
) -> None:
    run(world, "key", "--party", "PRI", typed=f"{CPR}\n")
    for typed in (f"{CPR}\n{OTHER_CPR}\n", f"{CPR}\n{CPR}\n"):
        refused = run(world, "link", typed=typed)
        assert isinstance(refused.exception, CallerFailure | NotFound)
        assert CPR not in str(refused.exception)
    assert "are one" in str(refused.exception)
    refused = run(world, "unlink", typed=f"{CPR}\n")
    assert "linked with no other" in str(refused.exception)
    assert "CaseMerged" not in [name for channel in channels for _, name, _ in channel.told]

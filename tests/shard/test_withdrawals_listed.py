"""`hub withdrawals list` says in words who owes what: a receipt is called one, and whether it is overdue."""

from __future__ import annotations

from contextlib import nullcontext
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from deploy import withdrawals_command
from deploy.withdrawals_command import open_in
from tests.shard.harness import HOUR_MS, ShardUnderTest
from tests.shard.test_disclosing import withdrawn
from tests.shard.test_withdrawals import WITHIN_MS, acknowledged, hub

__all__ = ["hub"]


def said(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the command says of each line, without when it is due and of which event."""
    monkeypatch.setattr(withdrawals_command, "World", Mock())
    monkeypatch.setattr(withdrawals_command, "opened_stores", lambda _: nullcontext([hub.store]))
    lines = CliRunner().invoke(withdrawals_command.withdrawals, ["list"], catch_exceptions=False).output.splitlines()
    return sorted(line.partition(", due ")[0].partition(";")[0] for line in lines)


def test_what_is_open_is_said_in_words(hub: ShardUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(hub, monkeypatch) == ["nothing is open"]
    withdrawn(hub)
    hub.settle()
    assert said(hub, monkeypatch) == ["A.ADD: owes a receipt", "B.SOC: owes a receipt"]
    hub.tick(WITHIN_MS + HOUR_MS)
    hub.settle()
    assert said(hub, monkeypatch) == ["A.ADD: owes a receipt, overdue", "B.SOC: owes a receipt, overdue"]


def test_what_is_not_acknowledged_is_listed(hub: ShardUnderTest) -> None:
    hub.broker.unreachable.add(hub.names.hub_input)
    withdrawal = withdrawn(hub)
    hub.settle()
    assert acknowledged(hub) == []
    assert withdrawal in {each.event for each in open_in(0, hub.store)}

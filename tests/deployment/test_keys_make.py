"""`hub keys make`: a private key is whole on the disk before its public half is told to anybody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from contracts.failures import CallerFailure
from contracts.signatures import SigningKey
from deploy.keys_command import keys


def make(file: Path) -> Result:
    return CliRunner().invoke(keys, ["make", str(file)])


def test_what_is_printed_is_the_public_half_of_what_is_kept(tmp_path: Path) -> None:
    made = make(tmp_path / "key")
    assert (made.exit_code, made.output.strip()) == (0, SigningKey.read(tmp_path / "key").public.hex())
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    again = make(tmp_path / "key")
    assert isinstance(again.exception, CallerFailure)
    assert made.output.strip() == SigningKey.read(tmp_path / "key").public.hex()


def test_a_full_disk_leaves_no_file_and_tells_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        failed = make(tmp_path / "key")
    assert isinstance(failed.exception, CallerFailure)
    assert (failed.output, list(tmp_path.iterdir())) == ("", [])
    assert make(tmp_path / "key").exit_code == 0

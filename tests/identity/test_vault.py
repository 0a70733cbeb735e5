"""The vault: one case per citizen for ever, nothing readable in its file, and closed to the wrong key."""

from __future__ import annotations

import sqlite3
from collections import Counter
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import NoReturn

import pytest

from contracts.failures import BadNationalId, BadSetting, CallerFailure, DamagedStore, ForeignStore, StoreUnavailable
from hub.identity.national_ids import parse_national_id
from hub.identity.vault import Vault
from hub.store import vault_file
from hub.store.keys import KeyStore
from tests.identity.conftest import PARTITIONS, TODAY, VAULT_KEY

CPR = parse_national_id("0101900001")
OTHER_CPR = parse_national_id("0202910002")
KEY = "6f1d7b1e-2d5c-8a3b-9c4d-0123456789ab"


def test_enrolling_again_gives_the_same_case_and_shard_after_reopening_too(vault: Vault, vault_path: Path) -> None:
    first = vault.enrol(CPR, TODAY)
    assert vault.enrol(CPR, TODAY) == first
    assert vault.enrol(OTHER_CPR, TODAY).case_id != first.case_id
    vault.close()
    reopened = Vault.open(vault_path, VAULT_KEY)
    assert reopened.enrol(CPR, TODAY) == first
    assert reopened.partitions == PARTITIONS
    reopened.close()


def test_a_written_separator_makes_no_second_citizen(vault: Vault) -> None:
    assert vault.enrol(parse_national_id("010190-0001"), TODAY) == vault.enrol(CPR, TODAY)


def test_name_is_noted_changed_and_never_taken_away(vault: Vault) -> None:
    assert vault.enrol(CPR, TODAY).name is None
    assert vault.enrol(CPR, TODAY, name="  Åse Hansen ").name == "Åse Hansen"
    assert vault.enrol(CPR, TODAY).name == "Åse Hansen"
    assert vault.enrol(CPR, TODAY, name="Åse Holm").name == "Åse Holm"


def test_cases_spread_over_all_shards(vault: Vault) -> None:
    shards = Counter(vault.enrol(parse_national_id(f"DK 010190{number:04}"), TODAY).shard for number in range(160))
    # 20 expected on each of 8; fewer than 3 on one has a probability below one in a million
    assert set(shards) == set(range(PARTITIONS))
    assert min(shards.values()) >= 3


def test_birth_date_is_told_by_the_id_or_must_be_given(vault: Vault) -> None:
    silent = parse_national_id("0000000000")
    assert vault.enrol(CPR, TODAY).birth_date == date(1990, 1, 1)
    with pytest.raises(BadNationalId, match="give the birth date"):
        vault.enrol(silent, TODAY)
    assert vault.enrol(silent, TODAY, date(1980, 5, 6)).birth_date == date(1980, 5, 6)
    with pytest.raises(BadNationalId, match="give the birth date"):
        vault.enrol(silent, TODAY)
    with pytest.raises(BadNationalId, match="differs") as caught:
        vault.enrol(CPR, TODAY, date(1977, 3, 4))
    assert "1977" not in str(caught.value)
    assert "1990" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\x00b", "a\nb"])
def test_a_name_that_is_none_is_refused_without_showing_it(vault: Vault, name: str) -> None:
    with pytest.raises(CallerFailure) as caught:
        vault.enrol(CPR, TODAY, name=name)
    assert not name.strip() or name not in str(caught.value)


def test_a_key_leads_to_its_citizen_for_its_own_party_only(vault: Vault) -> None:
    citizen = vault.enrol(CPR, TODAY, name="Åse Hansen")
    vault.record_issued("PRI", KEY, citizen)
    vault.record_issued("PRI", KEY, citizen)
    assert vault.behind("PRI", KEY) == citizen
    assert vault.behind("A.SOC", KEY) is None
    assert vault.behind("PRI", KEY.replace("6", "7")) is None


def test_no_byte_of_the_file_tells_who_anybody_is(vault: Vault, vault_path: Path) -> None:
    citizen = vault.enrol(CPR, TODAY, name="Marguerite Unusualname")
    vault.record_issued("A.SOC", KEY, citizen)
    secrets = [b"0101900001", b"010190-0001", b"Unusualname", b"1990-01-01", KEY.encode(), VAULT_KEY, b"A.SOC"]
    written = b"".join(path.read_bytes() for path in vault_path.parent.iterdir())
    assert citizen.case_id.encode() in written
    assert [secret for secret in secrets if secret in written] == []
    vault.close()
    written = b"".join(path.read_bytes() for path in vault_path.parent.iterdir())
    assert [secret for secret in secrets if secret in written] == []


def test_one_citizen_has_no_equal_bytes_in_two_vaults(vault: Vault, vault_path: Path, tmp_path: Path) -> None:
    other_path = tmp_path / "other.db"
    other = Vault.create(other_path, bytes(32), PARTITIONS)
    vault.enrol(CPR, TODAY)
    other.enrol(CPR, TODAY)
    other.close()

    def id_hash(path: Path) -> bytes:
        connection = sqlite3.connect(path)
        (found,) = connection.execute("SELECT id_hash FROM citizens").fetchone()
        connection.close()
        return bytes(found)

    assert id_hash(vault_path) != id_hash(other_path)


def test_text_form_of_a_citizen_shows_nobody(vault: Vault) -> None:
    shown = repr(vault.enrol(CPR, TODAY, name="Åse Hansen"))
    assert "Hansen" not in shown
    assert "0101900001" not in shown
    assert "1990" not in shown


def test_rows_moved_to_another_case_do_not_open(vault: Vault, vault_path: Path) -> None:
    vault.enrol(CPR, TODAY)
    vault.enrol(OTHER_CPR, TODAY)
    with sqlite3.connect(vault_path) as connection:
        (sealed,) = connection.execute("SELECT sealed FROM citizens LIMIT 1").fetchone()
        connection.execute("UPDATE citizens SET sealed = ?", (sealed,))
    connection.close()
    with pytest.raises(DamagedStore, match="restore the vault"):
        for national_id in (CPR, OTHER_CPR):
            vault.enrol(national_id, TODAY)


def test_a_vault_is_never_made_by_opening_nor_made_twice(vault: Vault, vault_path: Path, tmp_path: Path) -> None:
    with pytest.raises(ForeignStore, match="`hub world make`"):
        Vault.open(tmp_path / "missing.db", VAULT_KEY)
    assert not (tmp_path / "missing.db").exists()
    with pytest.raises(ForeignStore, match="is made once"):
        Vault.create(vault_path, VAULT_KEY, PARTITIONS)


def test_wrong_key_short_key_and_foreign_file_are_refused(vault: Vault, vault_path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="does not open"):
        Vault.open(vault_path, bytes(32))
    with pytest.raises(BadSetting, match="the vault key"):
        Vault.open(vault_path, b"short")
    (tmp_path / "notes.txt").write_text("no database at all, and rather longer than a header of SQLite is" * 20)
    with pytest.raises(ForeignStore, match="give the path of one"):
        Vault.open(tmp_path / "notes.txt", VAULT_KEY)
    sqlite3.connect(tmp_path / "empty.db").execute("CREATE TABLE t (x)")
    with pytest.raises(ForeignStore, match="vault format `0`"):
        Vault.open(tmp_path / "empty.db", VAULT_KEY)
    with pytest.raises(BadSetting, match="`0` partitions"):
        Vault.create(tmp_path / "new.db", VAULT_KEY, 0)


def test_only_the_owner_may_read_the_file(vault: Vault, vault_path: Path) -> None:
    assert vault_path.stat().st_mode & 0o077 == 0


def test_a_key_store_is_no_vault(tmp_path: Path) -> None:
    KeyStore.create(tmp_path / "keys.db", VAULT_KEY).close()
    with pytest.raises(ForeignStore, match="give the path of one"):
        Vault.open(tmp_path / "keys.db", VAULT_KEY)


def test_a_vault_that_is_locked_is_not_called_a_file_of_another_kind(
    vault: Vault, vault_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.close()
    monkeypatch.setattr(vault_file, "_LOCK_TIMEOUT_SECONDS", 0.01)
    with closing(sqlite3.connect(vault_path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreUnavailable, match="could not be opened: database is locked"):
            Vault.open(vault_path, VAULT_KEY)
    Vault.open(vault_path, VAULT_KEY).close()


def test_a_stop_while_a_vault_is_made_leaves_none_and_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "vault.db"

    def stopped(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    for step in ("_connect", "_part_of"):
        with monkeypatch.context() as patch:
            patch.setattr(vault_file, step, stopped)
            with pytest.raises(KeyboardInterrupt):
                Vault.create(path, VAULT_KEY, PARTITIONS)
        assert list(tmp_path.iterdir()) == []
    Vault.create(path, VAULT_KEY, PARTITIONS).close()
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(StoreUnavailable, match="no vault could be made"):
        Vault.create(tmp_path / "no such directory" / "vault.db", VAULT_KEY, PARTITIONS)

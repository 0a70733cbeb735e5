"""The vault: which citizen is meant by a case. The one place of the hub that knows a national id or a name.

Rules:
- A citizen has one case, a random UUIDv4, and one shard, drawn uniformly; neither ever changes.
- Enrolling a citizen again changes nothing but the name, where one is given.
- The birth date is what the national id tells. Where it tells none it must be given, and a given one that differs
  from what the id tells is refused, both before the vault is asked: the answer does not depend on what it knows.
- No text form of a `Citizen` shows who it is.

Asked by `hub.identity.enrolment`; stored by `hub.store.vault_file`.
"""

from __future__ import annotations

import json
import secrets
import uuid
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from contracts.failures import BadNationalId, CallerFailure
from hub.identity.national_ids import NationalId
from hub.store.vault_file import VaultFile, VaultRow, create_vault_file, open_vault_file

NAME_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Citizen:
    """Who is behind a case. `shard` is the partition on which the case lies."""

    case_id: str
    shard: int
    jurisdiction: str
    birth_date: date = field(repr=False)
    national_id: str = field(repr=False)
    name: str | None = field(repr=False)


class Vault:
    """The vault of one hub."""

    def __init__(self, file: VaultFile) -> None:
        self._file = file
        self.partitions = file.partitions

    @classmethod
    def create(cls, path: Path, vault_key: bytes, partitions: int) -> Vault:
        """Make an empty vault; `vault_key` has 32 bytes or more and lies in no backup beside the file."""
        return cls(create_vault_file(path, vault_key, partitions))

    @classmethod
    def open(cls, path: Path, vault_key: bytes) -> Vault:
        """Open a vault; raise `ForeignStore` for none, `BadSetting` for the wrong key."""
        return cls(open_vault_file(path, vault_key))

    def enrol(self, national_id: NationalId, birth_date: date | None = None, name: str | None = None) -> Citizen:
        """Return the citizen with `national_id`, enrolled now if not before; durable on return."""
        proposed = Citizen(
            str(uuid.uuid4()),
            secrets.randbelow(self.partitions),
            national_id.jurisdiction,
            _birth_date(national_id, birth_date),
            national_id.digits,
            None if name is None else _checked_name(name),
        )

        def merge(known: bytes) -> bytes:
            citizen = _citizen(VaultRow("", 0, known))
            return _content(replace(citizen, name=citizen.name if proposed.name is None else proposed.name))

        row = VaultRow(proposed.case_id, proposed.shard, _content(proposed))
        return _citizen(self._file.enrol(f"{national_id.jurisdiction}:{national_id.digits}", row, merge))

    def record_issued(self, party: str, key: str, citizen: Citizen) -> None:
        """Remember that `party` was given `key` for `citizen`."""
        self._file.record_issued(party, key, citizen.case_id)

    def behind(self, party: str, key: str) -> Citizen | None:
        """Return the citizen for whom `party` was given `key`, or `None`."""
        row = self._file.behind(party, key)
        return None if row is None else _citizen(row)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _birth_date(national_id: NationalId, given: date | None) -> date:
    told = national_id.told_birth_date
    if told is None:
        if given is None:
            raise BadNationalId("national id tells no birth date: give the birth date with it")
        return given
    if given is not None and given != told:
        raise BadNationalId("birth date differs from the one that the national id tells: leave it out or mend one")
    return told


def _checked_name(name: str) -> str:
    stripped = name.strip()
    if not stripped or len(stripped) > NAME_CHARACTERS_MAX or not stripped.isprintable():
        raise CallerFailure(
            f"name is empty, over {NAME_CHARACTERS_MAX} characters or not printable: give it as written"
        )
    return stripped


def _content(citizen: Citizen) -> bytes:
    person = {
        "jurisdiction": citizen.jurisdiction,
        "birthDate": citizen.birth_date.isoformat(),
        "nationalId": citizen.national_id,
        "name": citizen.name,
    }
    return json.dumps(person).encode()


def _citizen(row: VaultRow) -> Citizen:
    person = json.loads(row.content)
    birth_date = date.fromisoformat(person["birthDate"])
    return Citizen(row.case_id, row.shard, person["jurisdiction"], birth_date, person["nationalId"], person["name"])

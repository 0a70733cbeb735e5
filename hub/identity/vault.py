"""The vault: which citizen is meant by a case. The one place of the hub that knows a national id or a name.

Rules:
- A citizen has one case, a random UUIDv4, and one shard, drawn uniformly; neither ever changes.
- Enrolling a citizen again changes nothing but the name, where one is given: under whichever of linked national ids, it
  is the citizen's from then on. When the link is taken back, each id has the name again that was noted under it.
- The birth date is what the national id tells. Where it tells none it must be given. A given one that differs from what
  the id tells is refused, and so is one that no record can carry or that is still to come, all before the vault is
  asked: the answer does not depend on what it knows, and nobody is enrolled of whom the shard cannot be told.
- Links are changed one after the other: while the shards are at one, neither of its citizens has part in another.
- Where two national ids turned out to be one citizen, the one that was given up leads to the case of the other, and so
  do the keys that were issued for it, until the link is taken back.
- No text form of a `Citizen` shows who it is.

Asked by `hub.identity.enrolment`; stored by `hub.store.vault_file`.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from contracts.civil_time import day_number
from contracts.failures import BadNationalId, CallerFailure, NotFound
from contracts.limits import DAY_MIN
from hub.identity.national_ids import NationalId
from hub.store.vault_file import VaultFile, VaultRow, create_vault_file, open_vault_file

NAME_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Citizen:
    """Who is behind a case. `shard` is the partition on which the case lies.

    `merged_into` is the case of the same citizen that goes on instead of this one, `linked_with` the last that did;
    `changes` counts how often the one was linked and unlinked. `under_way` names the losing case of a change of which
    the shards have not said that it is done. `named_under` is the given-up case under whose national id the name was
    last noted; it counts while that case leads here.
    """

    case_id: str
    shard: int
    jurisdiction: str
    birth_date: date = field(repr=False)
    national_id: str = field(repr=False)
    name: str | None = field(repr=False)
    merged_into: str | None = None
    linked_with: str | None = None
    changes: int = 0
    under_way: str | None = None
    named_under: str | None = None


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

    def enrol(
        self, national_id: NationalId, today: date, birth_date: date | None = None, name: str | None = None
    ) -> Citizen:
        """Return the citizen with `national_id`, enrolled now if not before; durable on return.

        Raises `BadNationalId` for a birth date that cannot be, `CallerFailure` for a name that is none.
        """
        proposed = Citizen(
            str(uuid.uuid4()),
            secrets.randbelow(self.partitions),
            national_id.jurisdiction,
            _birth_date(national_id, birth_date, today),
            national_id.digits,
            None if name is None else _checked_name(name),
        )

        def merge(known: bytes) -> bytes:
            citizen = _citizen(VaultRow("", 0, known))
            return _content(
                citizen if proposed.name is None else replace(citizen, name=proposed.name, named_under=None)
            )

        row = VaultRow(proposed.case_id, proposed.shard, _content(proposed))
        with self._file.changing():
            own = _citizen(self._file.enrol(_index(national_id), row, merge))
            if proposed.name is not None:
                for citizen in self._leads_to(own):
                    self._rewrite(replace(citizen, named_under=own.case_id))
            return self._named(self._who_goes_on(own))

    def link(self, given_up: NationalId, kept: NationalId) -> tuple[Citizen, Citizen]:
        """From now on `given_up` leads to the case of `kept`; durable on return, and may be said again.

        Returns the citizen whose case is given up, and the one whose case goes on. Raises `NotFound` for an id under
        which nobody is enrolled, `CallerFailure` for two that cannot be linked.
        """
        with self._file.changing():
            losing, winning = self._own(given_up), self._who_goes_on(self._own(kept))
            if given_up.digits == kept.digits:
                raise CallerFailure("the two national ids are one: give the one that is given up, then the other")
            if losing.jurisdiction != winning.jurisdiction:
                raise CallerFailure("the national ids are of two countries, whose law differs: they cannot be linked")
            if losing.case_id == winning.case_id:
                raise CallerFailure(
                    "the second national id leads to the case of the first: give them the other way round"
                )
            if losing.merged_into:
                if self._who_goes_on(losing).case_id != winning.case_id:
                    raise CallerFailure("the first national id is linked with another one: unlink it first")
                return losing, _citizen(self._file.of_case(losing.merged_into))
            _require_at_rest(losing, winning)
            other, changes = winning.case_id, losing.changes + 1
            losing = replace(losing, merged_into=other, linked_with=other, changes=changes)
            losing, winning = self._begin(losing, winning)
        return losing, winning

    def unlink(self, given_up: NationalId) -> tuple[Citizen, Citizen]:
        """From now on `given_up` leads to its own case again; durable on return, and may be said again.

        Returns as `link`. Raises `NotFound` for an id under which nobody is enrolled, `CallerFailure` where it was
        never linked, or where the other case was itself merged into a third.
        """
        with self._file.changing():
            losing = self._own(given_up)
            if losing.linked_with is None:
                raise CallerFailure("the national id is linked with no other one")
            winning = _citizen(self._file.of_case(losing.linked_with))
            if losing.merged_into:
                if winning.merged_into:
                    raise CallerFailure("the other national id is itself linked with a third: unlink that one first")
                _require_at_rest(losing, winning)
                losing = replace(losing, merged_into=None, changes=losing.changes + 1)
                losing, winning = self._begin(losing, winning)
        return losing, winning

    def done(self, losing: Citizen, winning: Citizen) -> None:
        """Note that the shards have done the last change of `losing`; durable on return."""
        with self._file.changing():
            for case_id in (losing.case_id, winning.case_id):
                citizen = _citizen(self._file.of_case(case_id))
                if citizen.under_way == losing.case_id:
                    self._rewrite(replace(citizen, under_way=None))

    def _begin(self, losing: Citizen, winning: Citizen) -> tuple[Citizen, Citizen]:
        both = replace(losing, under_way=losing.case_id), replace(winning, under_way=losing.case_id)
        for citizen in both:
            self._rewrite(citizen)
        return both

    def _rewrite(self, citizen: Citizen) -> None:
        self._file.rewrite(VaultRow(citizen.case_id, citizen.shard, _content(citizen)))

    def _own(self, national_id: NationalId) -> Citizen:
        row = self._file.known(_index(national_id))
        if row is None:
            raise NotFound("nobody is enrolled under one of the national ids: check it, or enrol the citizen first")
        return _citizen(row)

    def _who_goes_on(self, citizen: Citizen) -> Citizen:
        return [citizen, *self._leads_to(citizen)][-1]

    def _leads_to(self, citizen: Citizen) -> Iterator[Citizen]:
        while citizen.merged_into is not None:
            citizen = _citizen(self._file.of_case(citizen.merged_into))
            yield citizen

    def _named(self, citizen: Citizen) -> Citizen:
        """`citizen`, who goes on, under the name that was noted last. Never stored: it is another id's own."""
        if citizen.named_under is None:
            return citizen
        other = _citizen(self._file.of_case(citizen.named_under))
        return replace(citizen, name=other.name) if self._who_goes_on(other).case_id == citizen.case_id else citizen

    def record_issued(self, party: str, key: str, citizen: Citizen) -> None:
        """Remember that `party` was given `key` for `citizen`."""
        self._file.record_issued(party, key, citizen.case_id)

    def behind(self, party: str, key: str) -> Citizen | None:
        """Return the citizen for whom `party` was given `key`, or `None`."""
        row = self._file.behind(party, key)
        return None if row is None else self._named(self._who_goes_on(_citizen(row)))

    def of_case(self, case_id: str) -> Citizen | None:
        """Return the citizen of a case, by the case that goes on, or `None` for a case that is about no citizen."""
        row = self._file.find_case(case_id)
        return None if row is None else self._named(self._who_goes_on(_citizen(row)))

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _require_at_rest(losing: Citizen, winning: Citizen) -> None:
    if losing.under_way or winning.under_way:
        raise CallerFailure("an earlier link or unlinking of one of them is under way: give that command again first")


def _index(national_id: NationalId) -> str:
    return f"{national_id.jurisdiction}:{national_id.digits}"


def _birth_date(national_id: NationalId, given: date | None, today: date) -> date:
    told = national_id.told_birth_date
    if told is not None and given is not None and given != told:
        raise BadNationalId("birth date differs from the one that the national id tells: leave it out or mend one")
    birth_date = given if told is None else told
    if birth_date is None:
        raise BadNationalId("national id tells no birth date: give the birth date with it")
    if birth_date > today or day_number(birth_date) < DAY_MIN:
        raise BadNationalId(
            "birth date is before 1900 or still to come: check the national id, and the birth date given with it"
        )
    return birth_date


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
        "mergedInto": citizen.merged_into,
        "linkedWith": citizen.linked_with,
        "changes": citizen.changes,
        "underWay": citizen.under_way,
        "namedUnder": citizen.named_under,
    }
    return json.dumps(person).encode()


def _citizen(row: VaultRow) -> Citizen:
    person = json.loads(row.content)
    birth_date = date.fromisoformat(person["birthDate"])
    return Citizen(
        row.case_id,
        row.shard,
        person["jurisdiction"],
        birth_date,
        person["nationalId"],
        person["name"],
        person.get("mergedInto"),
        person.get("linkedWith"),
        person.get("changes", 0),
        person.get("underWay"),
        person.get("namedUnder"),
    )

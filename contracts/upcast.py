"""How a value of one version of an event type is read as the next: rules that are data, and nothing made up.

Rules:
- A field of the same name, or one that is `renamed`, keeps its value. A field that is new and optional is absent.
- A code that the next version no longer has is told by `codes`: another code, or (a code that said two things) codes of
  several fields. What no rule carries over must be `dropped` by name; nothing gets lost by oversight.
- A new field that is mandatory, and one that was optional, can never be filled: such a version is refused when read.
- In a consent, and in a list that says whom or what it covers, values are carried over as they are or not at all: no
  code is translated and no field dropped.
- The way back (`down`) is for receivers that still read the older version, and loses rather than guesses: a code that
  it lacks becomes `OTHER`, in a scope the whole field is left out, and so is an item that it cannot carry.

Rules are read by `contracts.catalogue`, checked there once, and applied by `contracts.codec`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, NoReturn

from contracts.event_types import CONSENT_AREA, OTHER, SCOPE_CODE_LISTS, CodeList, EventType, Field, Kind, RecordType
from contracts.failures import BadContract

Payload = Mapping[str, Any]
_Codes = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Upcast:
    """The rules from one version to the next. All names but the keys of `renamed` are those of the older version.

    `renamed`: new name -> old name. `codes`: old field -> old code -> {new field: new code}. `records`: the same for
    the items of a record type.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    codes: Mapping[str, _Codes] = field(default_factory=dict)
    records: Mapping[str, Upcast] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Types:
    """The code lists and records that the fields of both versions name."""

    code_lists: Mapping[str, CodeList]
    records: Mapping[str, RecordType]


class _Move(NamedTuple):
    """One field that both versions have. `known` is empty for a field whose codes the older version need not know."""

    old: str
    new: str
    repeated: bool
    up_codes: Mapping[str, str]
    down_codes: Mapping[str, str]
    known: frozenset[str]
    scope: bool
    items: Translation | None

    def up(self, value: Any) -> Any:
        """The value as the newer version has it."""
        if self.items is not None:
            return [self.items.up(item) for item in value] if self.repeated else self.items.up(value)
        if not self.up_codes:
            return value
        return [self.up_codes.get(code, code) for code in value] if self.repeated else self.up_codes.get(value, value)

    def down(self, value: Any) -> Any:
        """The value as the older version can have it, `None` where it cannot."""
        if self.items is not None:
            found = [self.items.down(item) for item in (value if self.repeated else (value,))]
            kept = [item for item in found if self.items.is_whole(item)]
            return (kept or None) if self.repeated else next(iter(kept), None)
        if not self.known:
            return value
        codes = [self.down_codes.get(code, code) for code in (value if self.repeated else (value,))]
        if self.scope and not self.known.issuperset(codes):
            return None
        codes = [code if code in self.known else OTHER for code in codes]
        return codes if self.repeated else codes[0]


class _Split(NamedTuple):
    """A field whose codes said something of several fields."""

    old: str
    codes: _Codes
    back: bool
    """Whether the field itself is gone, so that only its codes can bring it back."""


@dataclass(frozen=True, slots=True)
class Translation:
    """One version of a record read as the next, and the next as this one."""

    old: tuple[str, ...]
    new: tuple[str, ...]
    mandatory: frozenset[str]
    moves: tuple[_Move, ...]
    splits: tuple[_Split, ...]

    def up(self, payload: Payload) -> dict[str, Any]:
        """Return `payload` of the older version as one of the newer, with every field of it."""
        result: dict[str, Any] = dict.fromkeys(self.new)
        for move in self.moves:
            if (value := payload.get(move.old)) is not None:
                result[move.new] = move.up(value)
        for split in self.splits:
            result.update(split.codes.get(payload.get(split.old) or "", {}))
        return result

    def down(self, payload: Payload) -> dict[str, Any]:
        """Return `payload` of the newer version as far as the older one can carry it."""
        result: dict[str, Any] = dict.fromkeys(self.old)
        for move in self.moves:
            if (value := payload.get(move.new)) is not None:
                result[move.old] = move.down(value)
        for split in self.splits:
            if split.back:
                said = (code for code, parts in split.codes.items() if parts.items() <= payload.items())
                result[split.old] = next(said, None)
        return result

    def is_whole(self, payload: Payload) -> bool:
        """Whether a record of the older version has all that it must have."""
        return all(payload.get(name) is not None for name in self.mandatory)


def translation(old: EventType, new: EventType, rules: Upcast, types: Types) -> Translation:
    """Return how values of `old` are read as `new`; raise `BadContract` where `rules` leave something open."""
    reading = _Reading(f"{old.name}.v{old.version}", types, old.area == CONSENT_AREA)
    return reading.translation(old.fields, new.fields, rules)


class _Reading:
    """Checks the rules of one event type and turns them into a translation."""

    def __init__(self, where: str, types: Types, consent: bool) -> None:
        self._where, self._types, self._consent = where, types, consent

    def translation(self, old: tuple[Field, ...], new: tuple[Field, ...], rules: Upcast) -> Translation:
        before, after = ({each.name: each for each in fields} for fields in (old, new))
        self._check_names(before, after, rules)
        source = {name: rules.renamed.get(name, name) for name in after}
        renamed_away = frozenset(rules.renamed.values())
        pairs = [
            (before[source[name]], each)
            for name, each in after.items()
            if source[name] in before and (name in rules.renamed or name not in renamed_away)
        ]
        kept = {was.name: now for was, now in pairs}
        splits = tuple(self._split(before[name], kept.get(name), codes, after) for name, codes in rules.codes.items())
        self._check_nothing_lost(before, kept, rules)
        self._check_nothing_made_up(after, {now.name for _, now in pairs}, splits, before)
        moves = tuple(self._move(was, now, rules) for was, now in pairs)
        mandatory = frozenset(name for name, each in before.items() if each.mandatory)
        return Translation(tuple(before), tuple(after), mandatory, moves, tuple(each for each in splits if each.codes))

    def _check_names(self, before: Mapping[str, Field], after: Mapping[str, Field], rules: Upcast) -> None:
        for name in (*rules.renamed.values(), *rules.dropped, *rules.codes):
            if name not in before:
                self._refuse(name, "the older version has no such field")
        for name in rules.renamed:
            if name not in after:
                self._refuse(name, "the newer version has no such field to rename to")
        if len(set(rules.renamed.values())) != len(rules.renamed):
            self._refuse("renamed", "two fields are renamed from one")

    def _check_nothing_lost(self, before: Mapping[str, Field], kept: Mapping[str, Field], rules: Upcast) -> None:
        for name, each in before.items():
            if name in rules.dropped:
                if name in kept or name in rules.codes:
                    self._refuse(name, "is dropped and carried over: do one of them")
                if self._is_scope(each):
                    self._refuse(name, "nothing of a consent may be dropped: keep the field")
            elif name not in kept and name not in rules.codes:
                self._refuse(name, "is gone: rename it, tell its codes, or drop it by name")

    def _check_nothing_made_up(
        self, after: Mapping[str, Field], carried: set[str], splits: tuple[_Split, ...], before: Mapping[str, Field]
    ) -> None:
        for name, each in after.items():
            if name in carried or not each.mandatory:
                continue
            always = any(
                before[split.old].mandatory
                and all(name in split.codes.get(code, {}) for code in self._codes_of(before[split.old]))
                for split in splits
            )
            if not always:
                self._refuse(name, "is new and mandatory, and facts of the older version lack it: make it optional")

    def _move(self, was: Field, now: Field, rules: Upcast) -> _Move:
        if (was.kind, was.repeated, was.base_type) != (now.kind, now.repeated, now.base_type):
            self._refuse(now.name, "has another type than before: give the new type a new field")
        for stricter in ("mandatory", "non_empty", "must_be_true"):
            if getattr(now, stricter) and not getattr(was, stricter):
                self._refuse(now.name, f"is `{stricter}` now, and facts of the older version need not be: leave it out")
        if was.name != now.name and was.category != now.category:
            self._refuse(now.name, "is renamed and has another category: keep the category")
        items = None
        if was.kind is Kind.RECORD:
            records, inner = self._types.records, rules.records.get(was.base_type, Upcast())
            items = self.translation(records[was.type_name].fields, records[now.type_name].fields, inner)
        up = {code: parts[now.name] for code, parts in rules.codes.get(was.name, {}).items() if now.name in parts}
        old_codes, new_codes = self._codes_of(was), self._codes_of(now)
        if was.kind is Kind.ENUM:
            for code in old_codes:
                if up.get(code, code) not in new_codes:
                    self._refuse(
                        was.name, f"the newer version has no `{up.get(code, code)}`: tell what `{code}` is now"
                    )
        down = {code: before for before, code in up.items() if code not in old_codes}
        known = frozenset(old_codes) if was.kind is Kind.ENUM and {*new_codes} - {*old_codes} else frozenset[str]()
        return _Move(was.name, now.name, was.repeated, up, down, known, self._is_scope(was), items)

    def _split(self, was: Field, now: Field | None, codes: _Codes, after: Mapping[str, Field]) -> _Split:
        """Check the codes of one old field; what they say of its own successor is left to the move."""
        if was.kind not in (Kind.ENUM, Kind.CODE) or self._is_scope(was):
            self._refuse(was.name, "codes are told of a code list outside consents only")
        for code, parts in codes.items():
            if was.type_name and code not in self._codes_of(was):
                self._refuse(was.name, f"the older version has no code `{code}`")
            for name, told in parts.items():
                target = after.get(name)
                if target is None or target.kind not in (Kind.ENUM, Kind.CODE) or self._is_scope(target):
                    self._refuse(name, "codes become codes of a field of the newer version, outside consents only")
                if target.type_name and told not in self._codes_of(target):
                    self._refuse(name, f"the newer version has no code `{told}`")
                if target is not now and (was.repeated or target.repeated):
                    self._refuse(name, "a list is not split over fields")
        if now is None and (left := [code for code in self._codes_of(was) if not codes.get(code)]):
            self._refuse(was.name, f"is gone, and nothing tells what `{left[0]}` is now")
        own = now.name if now else ""
        others = {code: {name: told for name, told in parts.items() if name != own} for code, parts in codes.items()}
        return _Split(was.name, {code: parts for code, parts in others.items() if parts}, back=now is None)

    def _codes_of(self, each: Field) -> tuple[str, ...]:
        return self._types.code_lists[each.type_name].symbols if each.type_name in self._types.code_lists else ()

    def _is_scope(self, each: Field) -> bool:
        return self._consent or each.base_type in SCOPE_CODE_LISTS

    def _refuse(self, name: str, problem: str) -> NoReturn:
        raise BadContract(f"upcast: `{self._where}`, field `{name}`: {problem}")

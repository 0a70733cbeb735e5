"""One table of a rule set's TOML file, read key by key, so that nothing in it is passed over.

Rules:
- A key that is missing, of another type or not known refuses the whole rule set (`BadRuleSet`, naming table and key).

For `hub.consent.rule_reader`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from contracts.categories import Category, mask_of
from contracts.civil_time import Period
from contracts.failures import BadRuleSet


class Table:
    """One TOML table, read key by key; what is left over at the end was not understood."""

    def __init__(self, values: object, where: str) -> None:
        self._where = where
        if not isinstance(values, Mapping):
            self.refuse("it is no table; write keys and values")
        self._left: dict[str, Any] = dict(values)

    def take(self, key: str, kind: type, default: Any = ...) -> Any:
        """Return and remove `key`, which must be a `kind`; a missing one gives `default` or `BadRuleSet`."""
        value = self._left.pop(key, default)
        if value is ...:
            self.refuse(f"`{key}` is missing; add it")
        if value is not default and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
            self.refuse(f"`{key}` is not a {kind.__name__}")
        return value

    def names(self, key: str, default: Any = ...) -> Any:
        """Return a list of names as a frozenset (or `default`)."""
        value = self.take(key, list, default)
        if value is default:
            return value
        if not all(isinstance(name, str) for name in value):
            self.refuse(f"`{key}` is not a list of names")
        return frozenset(value)

    def tables(self, key: str, default: Any = ...) -> list[Table]:
        """Return a list of tables."""
        value = self.take(key, list, default)
        return [Table(item, f"{self._where}, {key} {n}") for n, item in enumerate(value, 1)]

    def table(self, key: str) -> Table:
        """Return one table."""
        return Table(self.take(key, dict), f"{self._where}, {key}")

    def mask(self, key: str, default: Any = ...) -> Any:
        """Return a list of categories as a mask."""
        value = self.names(key, default)
        return value if value is default else mask_named(value, f"{self._where}, {key}")

    def period(self, key: str) -> Period:
        """Return an ISO 8601 period."""
        try:
            return Period.parse(self.take(key, str))
        except ValueError as failure:
            raise BadRuleSet(f"rule set, {self._where}: {failure}") from failure

    def rest(self) -> Mapping[str, Any]:
        """Return what was not taken yet and regard it as taken."""
        left, self._left = self._left, {}
        return left

    def is_word(self, key: str, word: str) -> bool:
        """Whether `key` is `word`, which is then taken."""
        if self._left.get(key) != word:
            return False
        del self._left[key]
        return True

    def present(self, keys: Iterable[str]) -> frozenset[str]:
        """Return those of `keys` that were not taken yet and are there."""
        return frozenset(self._left) & frozenset(keys)

    def refuse(self, problem: str) -> NoReturn:
        """Raise `BadRuleSet`: this table has `problem`."""
        raise BadRuleSet(f"rule set, {self._where}: {problem}")

    def done(self) -> None:
        """Raise `BadRuleSet` where something was not understood."""
        if self._left:
            self.refuse(f"`{sorted(self._left)[0]}` is not known; remove or mend it")


def mask_named(names: Iterable[str], where: str) -> int:
    """Return the mask of the categories `names`, found at `where`; raise `BadRuleSet` for one that does not exist."""
    try:
        return mask_of(names)
    except ValueError as failure:
        unknown = sorted(set(names) - {category.value for category in Category})
        raise BadRuleSet(f"rule set, {where}: `{unknown[0]}` is not a category; mend it") from failure

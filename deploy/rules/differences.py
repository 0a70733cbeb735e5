"""What differs between two rule sets, in words that a lawyer can check against the law.

Rules:
- A rule's lines have no names. Lines that both sets have are left aside; of the rest those that are most alike are
  taken for the same line changed, and what is alone was added or taken away.
- Every value of a rule set is compared, also those that this module has no words of its own for.
- Texts that decide nothing (titles, law, confidence) are told too, last: they are why a rule holds.

Pure. Rule sets come from `hub.consent.rule_reader`; the differences go to `hub rules diff`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from itertools import product
from typing import Any, Final

from contracts.categories import categories_of
from contracts.civil_time import Period
from hub.consent.rule_set import Exemption, Grant, Rule, RuleSet, Side

ALIKE_PARTS_MIN: Final = 7
"""So many of a line's eleven parts must be equal for two lines to be taken for one that was changed."""
_MASKS: Final = frozenset({"categories", "break_glass", "never", "oral_never", "co_signed_of_a_minor", "implied"})
_TERMS: Final = (
    *("consent", "health", "break_glass", "case_opened_by", "municipal_roles"),
    *("post_release_window", "link_tail", "addressed", "consent_max_age", "consent_alone_years", "adult_years"),
)
_TEXTS: Final = ("id", "title", "jurisdiction", "in_force_from")
_ASKED: Final = ("conditions", "since", "facts", "named_by", "within", "between", "under")
_MAY: Final = (
    ("never", "may now never be shown", "may be shown again, where something opens it"),
    ("break_glass", "may now open by break-glass", "may no longer open by break-glass"),
)
_AS_IN_THE_FILE: Final = {"conditions": "while", "who": "to_who"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: where (`S2`, `role SOC`, `post_release_window`) and what, in words."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where} {self.what}"


def differences(old: RuleSet, new: RuleSet) -> list[Difference]:
    """Return all that differs from `old` to `new`; empty where both say the same."""
    terms = (
        Difference(where, f"{before} -> {after}")
        for name in _TERMS
        for where, before, after in _changed(_flat(name, getattr(old, name)), _flat(name, getattr(new, name)))
    )
    texts = (
        Difference(f"{name} of the rule set", f"{getattr(old, name)} -> {getattr(new, name)}")
        for name in _TEXTS
        if getattr(old, name) != getattr(new, name)
    )
    return [*_rules(old, new), *_named_parts(old, new), *_roles(old, new), *terms, *_records(old, new), *texts]


# --- rules and their lines


def _rules(old: RuleSet, new: RuleSet) -> Iterator[Difference]:
    before, after = ({rule.id: rule for rule in rule_set.rules} for rule_set in (old, new))
    for rule_id in dict.fromkeys((*before, *after)):
        if rule_id not in after:
            yield Difference(rule_id, f"is gone: {before[rule_id].title}")
        elif rule_id not in before:
            yield Difference(rule_id, f"is new: {after[rule_id].title}")
            yield from (Difference(rule_id, f"opens {_line(grant)}") for grant in after[rule_id].grants)
        else:
            yield from _rule(before[rule_id], after[rule_id])
    in_both = before.keys() & after.keys()
    was, is_now = (" ".join(rule for rule in rules.order if rule in in_both) for rules in (old, new))
    if was != is_now:
        yield Difference("order of the rules", f"{was} -> {is_now}")


def _rule(before: Rule, after: Rule) -> Iterator[Difference]:
    gone, come = list(before.grants), list(after.grants)
    for grant in before.grants:
        if grant in come:
            gone.remove(grant)
            come.remove(grant)
    while gone and come:
        old, new = max(product(gone, come), key=lambda pair: _alike(*pair))
        if _alike(old, new) < ALIKE_PARTS_MIN:
            break
        gone.remove(old)
        come.remove(new)
        yield from (Difference(before.id, what) for what in _line_changes(old, new))
    yield from (Difference(before.id, f"no longer opens {_line(grant)}") for grant in gone)
    yield from (Difference(before.id, f"newly opens {_line(grant)}") for grant in come)
    for name in ("title", "law", "confidence"):
        if getattr(before, name) != getattr(after, name):
            yield Difference(before.id, f"{name}: {getattr(before, name)} -> {getattr(after, name)}")


def _alike(one: Grant, other: Grant) -> int:
    return sum(getattr(one, part.name) == getattr(other, part.name) for part in fields(Grant))


def _line_changes(old: Grant, new: Grant) -> Iterator[str]:
    between = f"to {_side(new.to)}, of facts by {_side(new.stated_by)}{_on(new.events)}"
    if lost := old.categories & ~new.categories:
        yield f"no longer opens {_mask(lost)} {between}"
    if gained := new.categories & ~old.categories:
        yield f"newly opens {_mask(gained)} {between}"
    for words, was, is_now in (("to", old.to, new.to), ("of facts by", old.stated_by, new.stated_by)):
        if was != is_now:
            yield f"opens {_mask(new.categories)} {_side_change(words, was, is_now)}{_on(new.events)}"
    if old.events != new.events:
        yield f"opening {_mask(new.categories)} to {_side(new.to)}, {_events_change(old.events, new.events)}"
    for name in _ASKED:
        if getattr(old, name) != getattr(new, name):
            asked = f"{_AS_IN_THE_FILE.get(name, name)}: {_text(getattr(old, name))} -> {_text(getattr(new, name))}"
            yield f"opening {_mask(new.categories)} {between} asks another thing, {asked}"


def _line(grant: Grant) -> str:
    asked = [
        f"{_AS_IN_THE_FILE.get(name, name)} {_text(getattr(grant, name))}" for name in _ASKED if getattr(grant, name)
    ]
    opened = f"{_mask(grant.categories)} to {_side(grant.to)}, of facts by {_side(grant.stated_by)}{_on(grant.events)}"
    return ", ".join([opened, *asked])


def _side(side: Side) -> str:
    parts = [", ".join(sorted(side.roles))] if side.roles is not None else []
    if side.who is not None:
        parts.append(side.who.replace("_", " "))
    words = " ".join(parts) or "anybody"
    return f"{words} except {', '.join(sorted(side.roles_except))}" if side.roles_except else words


def _side_change(words: str, was: Side, is_now: Side) -> str:
    if was.roles is None or is_now.roles is None or (was.who, was.roles_except) != (is_now.who, is_now.roles_except):
        return f"{words} {_side(is_now)}, no longer {words} {_side(was)}"
    gone, come = was.roles - is_now.roles, is_now.roles - was.roles
    changes = [f"newly {words} {_side(Side(come, who=is_now.who))}"] if come else []
    changes += [f"no longer {words} {_side(Side(gone, who=was.who))}"] if gone else []
    return " and ".join(changes)


def _events_change(was: frozenset[str] | None, is_now: frozenset[str] | None) -> str:
    if was is None or is_now is None:
        return f"holds{_on(is_now) or ' on every event'}, before{_on(was) or ' on every event'}"
    changes = [f"newly{_on(is_now - was)}"] if is_now - was else []
    changes += [f"no longer{_on(was - is_now)}"] if was - is_now else []
    return " and ".join(changes)


def _on(events: frozenset[str] | None) -> str:
    return f" on {', '.join(sorted(events))}" if events is not None else ""


# --- never-rules, gates, withheld fields: parts that are found again by their title


def _named_parts(old: RuleSet, new: RuleSet) -> Iterator[Difference]:
    nevers = [_by_name((f"never-rule {never.id}", never) for never in rules.never) for rules in (old, new)]
    gates = [_by_name((f'gate "{gate.title}"', gate) for gate in rules.gates) for rules in (old, new)]
    kinds = [
        _by_name((f"{kind.id}, fields of kind {kind.kind},", kind.never_to) for kind in rules.withheld_kinds)
        for rules in (old, new)
    ]
    for before, after in (nevers, gates, kinds, [_withheld(rules) for rules in (old, new)]):
        for name in dict.fromkeys((*before, *after)):
            if name not in after:
                yield Difference(name, "is gone")
            elif name not in before:
                yield Difference(name, f"is new: {_described(after[name])}")
            else:
                for where, was, is_now in _changed(_flat("", before[name]), _flat("", after[name])):
                    yield Difference(name, f"{where}: {was} -> {is_now}")


def _by_name(parts: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Parts by name; nothing forbids two of one name."""
    found: dict[str, object] = {}
    for name, part in parts:
        number = 2
        unique = name
        while unique in found:
            unique, number = f"{name} ({number})", number + 1
        found[unique] = part
    return found


def _withheld(rules: RuleSet) -> dict[str, object]:
    """Field by field and event by event: to which roles alone it goes; of several lines all must name the role."""
    found: dict[str, frozenset[str]] = {}
    for line in rules.withheld_fields:
        for event in sorted(line.events):
            name = f"{line.id}, field {line.field} of {event},"
            found[name] = found.get(name, line.only_to) & line.only_to
    return dict[str, object](found)


def _described(part: object) -> str:
    return ", ".join(f"{where} {value}" for where, value in _flat("", part).items() if where not in ("id", "title"))


# --- roles, records, terms


def _roles(old: RuleSet, new: RuleSet) -> Iterator[Difference]:
    for role in dict.fromkeys((*old.roles, *new.roles)):
        before, after = old.roles.get(role), new.roles.get(role)
        if before is None or after is None:
            yield Difference(f"role {role}", "is new" if before is None else "is gone: it receives nothing any more")
            continue
        if before.purpose != after.purpose:
            yield Difference(f"role {role}", f"purpose {before.purpose} -> {after.purpose}")
        for name in ("only_by", "only_records"):
            if getattr(before, name) != getattr(after, name):
                was_only, is_only = (_only(getattr(terms, name)) for terms in (before, after))
                yield Difference(f"role {role}", f"{name.replace('_', ' ')} {was_only} -> {is_only}")
        for name, come, gone in _MAY:
            was, is_now = getattr(before, name), getattr(after, name)
            if is_now & ~was:
                yield Difference(f"role {role}", f"{come}: {_mask(is_now & ~was)}")
            if was & ~is_now:
                yield Difference(f"role {role}", f"{gone}: {_mask(was & ~is_now)}")


def _only(names: frozenset[str] | None) -> str:
    return "whatever opens something" if names is None else ", ".join(sorted(names)) or "none"


def _records(old: RuleSet, new: RuleSet) -> Iterator[Difference]:
    for where, was, is_now in _changed(_flat("record", old.records), _flat("record", new.records)):
        yield Difference(where, f"goes to: {was} -> {is_now}")


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for where in dict.fromkeys((*before, *after)):
        was, is_now = before.get(where, "none"), after.get(where, "none")
        if was != is_now:
            yield where, was, is_now


def _flat(where: str, value: Any) -> dict[str, str]:
    """A value's parts by where they stand, as text."""
    if isinstance(value, Period | Side) or not (is_dataclass(value) or isinstance(value, Mapping)):
        if isinstance(value, tuple) and value and is_dataclass(value[0]) and not isinstance(value[0], Exemption):
            return _flat(where, {getattr(item, "kind", str(number)): item for number, item in enumerate(value)})
        return {where or "only to": _text(value, where)}
    parts = value if isinstance(value, Mapping) else {each.name: getattr(value, each.name) for each in fields(value)}
    found: dict[str, str] = {}
    for name, part in parts.items():
        mask = "implied" if where.endswith("implied") else name
        shown = f"{where} {_AS_IN_THE_FILE.get(name, name)}".strip()
        found |= {shown: _mask(part)} if mask in _MASKS and isinstance(part, int) else _flat(shown, part)
    return found


def _text(value: Any, where: str = "") -> str:
    if isinstance(value, Period):
        parts = ((value.years, "Y"), (value.months, "M"), (value.days, "D"))
        return "P" + "".join(f"{number}{unit}" for number, unit in parts if number)
    if isinstance(value, Exemption):
        return f"{_side(value.to)} while {_text(value.conditions)}" if value.conditions else _side(value.to)
    if isinstance(value, frozenset | set):
        return ", ".join(sorted(value)) or "none"
    if isinstance(value, tuple | list):
        return ", ".join(_text(item) for item in value) or "none"
    if value is None:
        return "all" if where in ("roles", "rules") else "none"
    return str(value)


def _mask(mask: int) -> str:
    return ", ".join(categories_of(mask)) or "nothing"

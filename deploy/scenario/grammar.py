"""Reads scenarios: text in the grammar of the scenario files -> `Scenario`s, or `BadScenario` with the line.

Rules:
- Only lines that begin with S, E, X, W or I and a space count, so a markdown file can be played.
- An `S` line opens a block; the other lines belong to the block above them.

      S <id> DK|SE born=<date> health=[<party>,...] | <title>
      E <id> <time> <party> <Type>(<field>=<value> ...) [rec=<time>] [corrects=<id>] ;; <next event> ...
      X <time or date> | <party>: <event> CAT[+CAT]=<basis> CAT=<basis>, <event> ... || <party>: nothing
      W <why>
      I <name>[(<argument>)]=<value> ...; <remark>

- Times are local civil time (`2025-01-25T09:00`, seconds allowed); a plain date in an `X` line means 12:00.
- A value is a word or a flat list `[a,b]`. A basis is `S<n>`, `C:<consent>` or `BG`.
- Anything else is refused: the message names the line, what was found, what was expected. A scenario that is refused
  does not keep the others of its file from being played.

Where text comes from: files of people (lawyers, agencies, tests). Goes to: `expansion`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from contracts.categories import Category, mask_of
from contracts.civil_time import ZONE_OF_JURISDICTION, parse_local, zone_of
from contracts.failures import BadScenario
from contracts.parties import PARTY_ID
from deploy.scenario.scenario import Expectation, ExpectedEvent, ExpectedView, FieldText, Scenario, ScenarioEvent

TEXT_LENGTH_MAX: Final = 4_000_000

SYMBOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_HEADER: Final = re.compile(r"(\S+) (\S+) born=(\S+) health=(\[\S*\]) \| (.*\S)")
_EVENT: Final = re.compile(r"(\S+) (\S+) (\S+) ([A-Za-z][A-Za-z0-9]*)\(([^()]*)\)((?: \S+)*)")
_EXPECTATION: Final = re.compile(r"(\S+) \| (.+)")
DATE: Final = re.compile(r"(?:19|20|21)\d\d-\d\d-\d\d")
TIME: Final = re.compile(DATE.pattern + r"T\d\d:\d\d(?::\d\d)?")
_FIELD_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_WORD: Final = re.compile(r"[^\s,\[\]()=|]{1,400}")
_BASIS: Final = re.compile(r"S[1-9]\d?|BG|C:[A-Za-z][A-Za-z0-9_-]{0,39}")
_LINE_KINDS: Final = ("S ", "E ", "X ", "W ", "I ")


class RefusedScenario(NamedTuple):
    """A scenario that cannot be read or played, and why. The id is empty where no `S` line gives one."""

    id: str
    fault: BadScenario


def read_scenarios(path: Path) -> list[Scenario]:
    """Return the scenarios of a file; raise `BadScenario` where it cannot be read or is outside the grammar."""
    return parse_scenarios(read_text(path))


def read_text(path: Path) -> str:
    """Return the text of a scenario file; raise `BadScenario` where it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadScenario(f"file `{path}` cannot be read ({type(error).__name__}): expected UTF-8 text") from error


def parse_scenarios(text: str) -> list[Scenario]:
    """Return the scenarios of a text, in its order; raise `BadScenario` with the line and what was expected."""
    scenarios, refused = parse_each(text)
    if refused:
        raise refused[0].fault
    return scenarios


def parse_each(text: str) -> tuple[list[Scenario], list[RefusedScenario]]:
    """Return the scenarios of a text that can be read, in its order, and those that cannot.

    Raises `BadScenario` where the text is too long or holds no scenario at all.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise BadScenario(f"text of {len(text)} characters: expected at most {TEXT_LENGTH_MAX}; split the file")
    refused: list[RefusedScenario] = []
    scenarios: list[Scenario] = []
    seen: dict[str, int] = {}
    for lines in _blocks(text):
        scenario_id = (lines[0][1][2:].split() or [""])[0] if lines[0][1].startswith("S ") else ""
        try:
            scenario = _block(lines, seen)
        except BadScenario as fault:
            refused.append(RefusedScenario(scenario_id, fault))
        else:
            scenarios.append(scenario)
    if not scenarios and not refused:
        raise BadScenario("no scenario found: expected a line `S <id> DK|SE born=<date> health=[] | <title>`")
    return scenarios, refused


def _blocks(text: str) -> list[list[tuple[int, str]]]:
    """The lines that count, with their numbers, by the `S` line above them."""
    blocks: list[list[tuple[int, str]]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.startswith(_LINE_KINDS):
            continue
        if line.startswith("S ") or not blocks:
            blocks.append([])
        blocks[-1].append((number, line))
    return blocks


def _block(lines: Sequence[tuple[int, str]], seen: dict[str, int]) -> Scenario:
    """Read one scenario; `seen` maps the ids of earlier ones to their lines."""
    number, header = lines[0]
    if not header.startswith("S "):
        _refuse(number, f"a `{header[0]}` line before any `S` line", "begin the scenario with its `S` line")
    block = _header(number, header[2:].rstrip())
    if block.id in seen:
        _refuse(number, f"scenario id `{block.id}` already stands on line {seen[block.id]}", "give it another")
    seen[block.id] = number
    for number, line in lines[1:]:
        _READERS[line[0]](block, number, line[2:].rstrip())
    return block.finished()


@dataclass
class _Block:
    """A scenario while its lines are read."""

    line: int
    id: str
    jurisdiction: str
    born: date
    health: frozenset[str]
    title: str
    events: dict[str, ScenarioEvent] = field(default_factory=dict)
    expectations: list[Expectation] = field(default_factory=list)
    indicators: list[str] = field(default_factory=list)
    why: list[str] = field(default_factory=list)

    def instant(self, line: int, text: str, *, plain_date: bool = False) -> int:
        """Return a local time of this scenario as an instant."""
        expected = "`2025-01-25T09:00`" + (" or a plain date" if plain_date else "")
        if not (TIME.fullmatch(text) or (plain_date and DATE.fullmatch(text))):
            _refuse(line, f"time `{_short(text)}`", f"expected local time as {expected}, years 1900 to 2199")
        try:
            return parse_local(text, zone_of(self.jurisdiction))
        except ValueError:
            _refuse(line, f"time `{text}`", "no such day or hour; correct it")

    def finished(self) -> Scenario:
        """Check what needs the whole block, and return it."""
        for event in self.events.values():
            self._check_correction(event)
        for expectation in self.expectations:
            self._check_expectation(expectation)
        return Scenario(
            self.line,
            self.id,
            self.jurisdiction,
            self.born,
            self.health,
            self.title,
            tuple(self.events.values()),
            tuple(self.expectations),
            tuple(self.indicators),
            tuple(self.why),
        )

    def _check_correction(self, event: ScenarioEvent) -> None:
        if event.corrects is None:
            return
        target = self.events.get(event.corrects)
        if target is None or target is event:
            _refuse(event.line, f"`{event.id}` corrects `{event.corrects}`", "expected another event of this scenario")
        if (target.party, target.type) != (event.party, event.type):
            _refuse(
                event.line,
                f"`{event.id}` corrects `{target.id}`, which is a `{target.type}` of `{target.party}`",
                "a correction is stated by the same party and has the same type",
            )
        if target.recorded_at > event.recorded_at:
            _refuse(event.line, f"`{event.id}` is recorded before `{target.id}`", "record the correction later: `rec=`")

    def _check_expectation(self, expectation: Expectation) -> None:
        for party, view in expectation.views.items():
            for event_id in view:
                event = self.events.get(event_id)
                if event is None:
                    _refuse(expectation.line, f"event `{event_id}`", "expected an id of an `E` event of this scenario")
                if event.party == party:
                    _refuse(
                        expectation.line,
                        f"`{event_id}` is `{party}`'s own event",
                        "leave it out: a party's own events are not listed",
                    )


def _header(line: int, content: str) -> _Block:
    match = _HEADER.fullmatch(content)
    if match is None:
        _refuse(line, "an `S` line of another form", "expected `S <id> DK|SE born=<date> health=[] | <title>`")
    scenario_id, jurisdiction, born, health, title = match.groups()
    _symbol(line, scenario_id, "scenario id")
    if jurisdiction not in ZONE_OF_JURISDICTION:
        _refuse(line, f"jurisdiction `{_short(jurisdiction)}`", f"expected one of {', '.join(ZONE_OF_JURISDICTION)}")
    parties = frozenset(_party(line, name) for name in _list(line, health))
    return _Block(line, scenario_id, jurisdiction, _date(line, born), parties, title)


def _events(block: _Block, line: int, content: str) -> None:
    for text in content.split(" ;; "):
        event = _event(block, line, text)
        if event.id in block.events:
            other = block.events[event.id]
            _refuse(line, f"event id `{event.id}` already stands on line {other.line}", "give this one another id")
        block.events[event.id] = event


def _event(block: _Block, line: int, text: str) -> ScenarioEvent:
    match = _EVENT.fullmatch(text)
    if match is None:
        _refuse(
            line,
            f"event `{_short(text)}`",
            "expected `<id> <time> <party> <Type>(<field>=<value> ...) [rec=<time>] [corrects=<id>]`, events "
            "separated by ` ;; `",
        )
    event_id, time, party, event_type, fields, tail = match.groups()
    _symbol(line, event_id, "event id")
    occurred_at = block.instant(line, time)
    options = _options(line, tail)
    recorded_at = block.instant(line, options["rec"]) if "rec" in options else occurred_at
    if recorded_at < occurred_at:
        _refuse(line, f"`{event_id}` is recorded before it occurred", "give a later `rec=` or leave it out")
    corrects = options.get("corrects")
    if corrects is not None:
        _symbol(line, corrects, "event id")
    return ScenarioEvent(
        line, event_id, occurred_at, _party(line, party), event_type, _fields(line, fields), recorded_at, corrects
    )


def _options(line: int, tail: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for token in tail.split():
        name, equals, value = token.partition("=")
        if name not in ("rec", "corrects") or not equals or name in options:
            _refuse(line, f"`{_short(token)}` behind an event", "expected `rec=<time>` or `corrects=<id>`, each once")
        options[name] = value
    return options


def _fields(line: int, text: str) -> dict[str, FieldText]:
    fields: dict[str, FieldText] = {}
    for token in text.split(" ") if text else ():
        name, equals, value = token.partition("=")
        if not equals or not _FIELD_NAME.fullmatch(name):
            _refuse(line, f"field `{_short(token)}`", "expected `<field>=<value>`, one space between fields")
        if name in fields:
            _refuse(line, f"field `{name}` stands twice in one event", "keep one of them")
        fields[name] = _list(line, value) if value.startswith("[") else _word(line, value)
    return fields


def _expectation(block: _Block, line: int, content: str) -> None:
    match = _EXPECTATION.fullmatch(content)
    if match is None:
        _refuse(line, "an `X` line of another form", "expected `X <time> | <party>: <view> || <party>: nothing`")
    views: dict[str, ExpectedView] = {}
    for text in match[2].split(" || "):
        party, colon, view = text.partition(": ")
        if not colon:
            _refuse(line, f"view `{_short(text)}`", "expected `<party>: <events>` or `<party>: nothing`")
        if _party(line, party) in views:
            _refuse(line, f"party `{party}` stands twice in one `X` line", "join the two")
        views[party] = {} if view == "nothing" else _view(line, view)
    block.expectations.append(Expectation(line, block.instant(line, match[1], plain_date=True), views))


def _view(line: int, text: str) -> ExpectedView:
    view: dict[str, ExpectedEvent] = {}
    for part in text.split(", "):
        event_id, *grants = part.split(" ")
        _symbol(line, event_id, "event id")
        if event_id in view:
            _refuse(line, f"event `{event_id}` stands twice in one view", "join the two")
        if not grants:
            _refuse(line, f"event `{event_id}` without categories", "expected `<event> CAT[+CAT]=<basis>`")
        view[event_id] = _shown(line, event_id, grants)
    return view


def _shown(line: int, event_id: str, grants: list[str]) -> ExpectedEvent:
    shown: dict[str, int] = {}
    before = 0
    for grant in grants:
        categories, equals, basis = grant.partition("=")
        names = categories.split("+")
        if not equals or not _BASIS.fullmatch(basis) or not all(name in Category.__members__ for name in names):
            _refuse(
                line,
                f"`{_short(grant)}` of event `{event_id}`",
                "expected `CAT[+CAT]=<basis>`, the basis being `S<n>`, `C:<consent>` or `BG`",
            )
        mask = mask_of(names)
        if before & mask or mask.bit_count() != len(names) or basis in shown:
            _refuse(line, f"`{_short(grant)}` of event `{event_id}` repeats a category or basis", "list each once")
        before |= mask
        shown[basis] = mask
    return shown


def _why(block: _Block, _line: int, content: str) -> None:
    block.why.append(content)


def _indicators(block: _Block, _line: int, content: str) -> None:
    block.indicators.append(content)


_READERS: Final = {"E": _events, "X": _expectation, "W": _why, "I": _indicators}


def _list(line: int, text: str) -> tuple[str, ...]:
    if not text.endswith("]"):
        _refuse(line, f"list `{_short(text)}`", "expected `[a,b]` without spaces")
    return tuple(_words(line, text[1:-1])) if text != "[]" else ()


def _words(line: int, text: str) -> Iterator[str]:
    for word in text.split(","):
        yield _word(line, word)


def _word(line: int, text: str) -> str:
    if not _WORD.fullmatch(text):
        _refuse(line, f"value `{_short(text)}`", "expected one word, or a flat list `[a,b]` without spaces")
    return text


def _symbol(line: int, text: str, what: str) -> str:
    if not SYMBOL.fullmatch(text):
        _refuse(line, f"{what} `{_short(text)}`", "expected a letter, then letters, digits, `-` and `_`")
    return text


def _party(line: int, text: str) -> str:
    if not PARTY_ID.fullmatch(text):
        _refuse(line, f"party `{_short(text)}`", "expected an id such as `A.SOC` or `PRI`")
    return text


def _date(line: int, text: str) -> date:
    fix = "expected a calendar date such as `1988-04-12`"
    if not DATE.fullmatch(text):
        _refuse(line, f"date `{_short(text)}`", fix)
    try:
        return date.fromisoformat(text)
    except ValueError:
        _refuse(line, f"date `{text}`", fix)


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _refuse(line: int, found: str, fix: str) -> NoReturn:
    raise BadScenario(f"line {line}: {found}: {fix}")

"""Asks both readers the same questions and keeps where they differ.

Rules:
- One question is one live event, one party, one moment.
- Where the text does not say (`None`), there is no question.
- Categories and bases must agree; of a consent or governance record the categories alone, its basis has no name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.consent.production import answers
from tests.naive.case import Case, History
from tests.naive.known import known
from tests.naive.questions import Question, question
from tests.naive.reader import Reading, Shown


@dataclass(frozen=True)
class Difference:
    """One question that the readers answer differently."""

    seed: int
    at: int
    event: str
    kind: str
    receiver: str
    by_text: Shown
    by_production: Shown

    def __str__(self) -> str:
        return (
            f"seed {self.seed} at {self.at}: {self.kind} {self.event} -> {self.receiver}: "
            f"text {_written(self.by_text)}, production {_written(self.by_production)}"
        )


@dataclass
class Tally:
    """What has been asked so far and how it came out."""

    questions: int = 0
    shown: int = 0
    reasons: dict[str, Counter[str]] = field(default_factory=lambda: {"DK": Counter(), "SE": Counter()})
    known: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)


def _written(shown: Shown) -> str:
    return (
        " ".join(f"{'+'.join(sorted(categories))}={basis}" for basis, categories in sorted(shown.items())) or "nothing"
    )


def _alike(by_text: Shown, by_production: Shown) -> bool:
    if "RECORD" in by_text:
        return _categories(by_text) == _categories(by_production)
    return _filled(by_text) == _filled(by_production)


def _filled(shown: Shown) -> Mapping[str, frozenset[str]]:
    return {basis: frozenset(map(str, categories)) for basis, categories in shown.items() if categories}


def _categories(shown: Shown) -> frozenset[str]:
    return frozenset(str(category) for categories in shown.values() for category in categories)


def ask(asked: Question, tally: Tally) -> None:
    """Ask one history's questions of both readers."""
    providers = frozenset(party.id for party in asked.parties if party.healthcare_provider)
    history = History(asked.stated, asked.born, asked.jurisdiction, providers)
    receivers = sorted(party.id for party in asked.parties)
    for at in asked.instants:
        found = answers(asked.stated, asked.born, asked.jurisdiction, asked.parties, at)
        reading = Reading(Case(history, at), tally.reasons[asked.jurisdiction])
        for _, fact in reading.case.known:
            if fact.key in reading.case.corrected:
                continue
            for receiver in receivers:
                by_text = reading.shown(fact, receiver)
                if by_text is None:
                    continue
                tally.questions += 1
                tally.shown += bool(by_text)
                by_production = found.get((fact.key, receiver), {})
                if not _alike(by_text, by_production):
                    as_known, names = known(reading.case, fact, receiver)
                    if names and as_known is not None and _alike(as_known, by_production):
                        tally.known.update(names)
                        continue
                    difference = Difference(asked.seed, at, fact.key, fact.kind, receiver, by_text, by_production)
                    tally.differences.append(difference)


def run(first_seed: int, questions: int) -> Iterator[Tally]:
    """Ask at least so many questions, from `first_seed` on; yields the tally after each history."""
    tally, seed = Tally(), first_seed
    while tally.questions < questions:
        ask(question(seed), tally)
        seed += 1
        yield tally


def coverage(tally: Tally) -> str:
    """What decided how often, by country."""
    lines = [f"{tally.questions} questions, {tally.shown} shown, {len(tally.differences)} differences"]
    listed = ", ".join(f"{name} {count}" for name, count in sorted(tally.known.items()))
    lines.append(f"known differences: {listed or 'none'}")
    for country, reasons in tally.reasons.items():
        counted = ", ".join(f"{name} {count}" for name, count in sorted(reasons.items()))
        lines.append(f"{country}: {counted}")
    return "\n".join(lines)

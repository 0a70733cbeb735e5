"""The naive reader: for (fact, receiver, moment) the categories that may be shown, by basis (4.1).

Rules:
- The steps of 4.1 in their order, category by category; nothing is cut short, so each refusal can be named.
- `reasons` tells what decided: a basis, or the one thing without which the category would have been shown.
- Consent and governance records have a reading of their own; where the text names nobody, `None` says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from tests.naive.case import Case, Fact, country, named, role
from tests.naive.consents import ENDINGS, consents, failing
from tests.naive.emergencies import broken_glass
from tests.naive.never import GATES, NEVER, TABLE_ROLES, Closes
from tests.naive.statutes import BY_NAME, ORDER

Shown = Mapping[str, frozenset[str]]


class Reading:
    """One case at one moment, read for any fact and receiver."""

    def __init__(self, case: Case, reasons: Counter[str], never: Mapping[str, Closes] = NEVER) -> None:
        self.case, self.reasons, self.never = case, reasons, never

    def shown(self, fact: Fact, receiver: str) -> Shown | None:
        """Return what the receiver sees of `fact`, by basis; `None` where the text does not say."""
        if fact.party == receiver:
            self.reasons["OWN"] += 1
            return {"OWN": fact.categories}
        if fact.key in self.case.retracted or fact.anchor is None:
            return {}
        if fact.anchor == "CO":
            return self._record(fact, receiver)
        opened = self._opened(fact, receiver)
        if fact.anchor not in opened:  # L1
            self.reasons["L1"] += len(opened)
            return {}
        by_basis: dict[str, frozenset[str]] = {}
        for category, basis in opened.items():
            by_basis[basis] = by_basis.get(basis, frozenset()) | {category}
            self.reasons["C" if basis.startswith("C:") else basis] += 1
        return by_basis

    def _opened(self, fact: Fact, receiver: str) -> dict[str, str]:
        """The basis for each category that is opened, before L1."""
        jurisdiction = self.case.history.jurisdiction
        by_rule = [
            (name, rule(self.case, fact, receiver))
            for name, rule in ORDER[jurisdiction]
            if name in BY_NAME or country(fact.party) in (None, jurisdiction)
        ]
        glass = broken_glass(self.case, fact, receiver)
        opened: dict[str, str] = {}
        for category in sorted(fact.categories):
            grounds = [name for name, categories in by_rule if category in categories]
            grounds += self._consents(fact, receiver, category)
            grounds += ["BG"] if category in glass else []
            basis = self._ungated(receiver, grounds)
            if basis is None:
                continue
            closing = [name for name, closes in self.never.items() if closes(self.case, receiver, category)]
            if closing:
                self.reasons.update(closing)
            else:
                opened[category] = basis
        return opened

    def _ungated(self, receiver: str, grounds: list[str]) -> str | None:
        """The first ground for which no gate is closed."""
        stopped: set[str] = set()
        for basis in grounds:
            closed = [name for name, closes in GATES.items() if closes(self.case, receiver, basis)]
            if not closed:
                return basis
            stopped.update(closed)
        self.reasons.update(stopped)
        return None

    def _consents(self, fact: Fact, receiver: str, category: str) -> list[str]:
        permitting: list[str] = []
        for one in consents(self.case):
            if receiver in one.recipients and fact.party in one.sources:
                failed = failing(self.case, one, fact, receiver, category)
                if not failed:
                    permitting.append(f"C:{one.id}")
                elif len(failed) == 1:
                    self.reasons[failed[0]] += 1
        return permitting

    def _record(self, fact: Fact, receiver: str) -> Shown | None:
        """CO records: visible to collector, named sources and recipients, requester/holder (4.1, 4.9.13)."""
        if role(receiver) not in TABLE_ROLES:
            return None
        if country(receiver) not in (None, self.case.history.jurisdiction):
            return {}
        if fact.kind in ("ConsentRequested", "ConsentRefused", "ConsentGiven", "ConsentAmended"):
            seen = receiver in _parties_of(fact)
        elif fact.kind in ENDINGS:
            stated = list(named(self.case.of_kind("ConsentGiven", "ConsentAmended"), "consentId", fact["consentId"]))
            if not stated:
                return None
            seen = any(receiver in _parties_of(scope) for scope in stated)
        elif fact.kind.startswith("BreakGlass") and receiver == fact["party"]:
            seen = True
        else:
            return None
        if seen:
            self.reasons["RECORD"] += 1
        return {"RECORD": fact.categories} if seen else {}


def _parties_of(scope: Fact) -> set[str]:
    return {scope["collectedBy"], *scope["sources"], *scope["recipients"]}

"""What decisions cite, found again: the rule sets and the registry of parties under which a shard decided at a time.

Rules:
- The texts are read from the shard's own adoptions (`RulesAdopted`), not from the files of today, which may say
  something else by now under the same name. The SHA-256 of a text is what decisions cite.
- A shard that has begun but read no record yet knows no time: what it adopts then has none (0), and it decides nothing
  before a record comes.
- An adoption that was recorded before texts were kept has none: then what is there today is all that there is.
- Texts that a case was settled under and that are not what its decisions cite were changed in the store: they are not
  used. The digest of the adoption names more than its texts, so it cannot tell.

Adoptions come from `hub.store`; for explanations of the past, and for `hub rules adopted` and `cited`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.failures import BadRegistry, BadRuleSet, DamagedStore
from contracts.parties import PartyRegistry
from hub.consent.policies import Policies
from hub.store.records import CaseRecord, DecisionsRecorded, RulesAdopted, cited_digest

RULE_SET: Final = "rule set"
REGISTRY: Final = "registry"
DIGEST_CHARACTERS: Final = 16
"""How many of its first characters name a digest to people: as many are shown, and asked for at least."""


@dataclass(frozen=True, slots=True)
class Cited:
    """One text that decisions cite by `digest`; `name` is the id of a rule set.

    First adopted at (milliseconds), as far as a time is known: `None` where no shard that adopted it knew one.
    """

    kind: str
    name: str
    digest: str
    adopted_at: int | None
    text: bytes = field(repr=False)


class Grounds:
    """The policies of one shard at any time: as its `adoptions` kept them, and `present` where they kept none.

    `records` are those of the case that is looked at: its decisions say which texts it was settled under.
    """

    def __init__(
        self, adoptions: Iterable[RulesAdopted], present: Policies, records: Iterable[CaseRecord] = ()
    ) -> None:
        self._adoptions = list(adoptions)
        self._present = present
        self._decisions = [record for record in records if isinstance(record, DecisionsRecorded)]
        self._read: dict[int, Policies] = {}

    def policies_at(self, at: int) -> Policies:
        """Return the policies under which the shard decided at `at`; the same object for the same ones.

        Raises `BadRuleSet` where a text that was kept is not understood any more, and `DamagedStore` where it is not
        the one by which the case was settled.
        """
        last = None
        for adoption in self._adoptions:
            if adoption.recorded_at <= at:
                last = adoption
        if last is None or not last.rule_sets:
            return self._present
        if last.originator_version not in self._read:
            self._check(last)
            then = _policies_of(last)
            self._read[last.originator_version] = self._present if then.digest == self._present.digest else then
        return self._read[last.originator_version]

    def _check(self, adoption: RulesAdopted) -> None:
        for decision in self._decisions:
            candidates = self._in_force_within(decision.clock)
            if adoption not in candidates or not all(each.rule_sets for each in candidates):
                continue
            kept = {cited_digest(text) for each in candidates for text in (*each.rule_sets, each.registry)}
            if not kept.issuperset((decision.rule_set, decision.registry)):
                raise DamagedStore(
                    "the rules that were kept are not those by which this case was settled: they were changed in the "
                    "store; go back to a copy of it in which `hub store check` finds nothing"
                )

    def _in_force_within(self, millisecond: int) -> list[RulesAdopted]:
        """What the shard decided by within one millisecond: one batch may adopt in that in which another settled."""
        before = [each for each in self._adoptions if each.recorded_at < millisecond][-1:]
        return before + [each for each in self._adoptions if each.recorded_at == millisecond]


def ever_knew(adoptions: Iterable[RulesAdopted], party: str) -> bool:
    """Whether a party was in a registry under which the shard of `adoptions` decided."""
    return any(party in PartyRegistry.of_cited_text(each.registry) for each in adoptions)


def _policies_of(adoption: RulesAdopted) -> Policies:
    try:
        return Policies.of_texts(adoption.rule_sets, adoption.registry)
    except (BadRuleSet, BadRegistry) as failure:
        raise BadRuleSet(
            f"the rules of that time are kept, and this version of the hub does not understand them ({failure}): "
            "read them with `hub rules adopted` and `hub rules cited`"
        ) from failure


def cited_texts(adoptions: Iterable[RulesAdopted]) -> Mapping[str, Cited]:
    """Return every text that was kept, by its digest, as it was first adopted; the earliest first."""
    found: dict[str, Cited] = {}
    for adoption in sorted(adoptions, key=lambda one: one.recorded_at):
        texts = [(RULE_SET, _id_of(text), text) for text in adoption.rule_sets]
        if adoption.registry:
            texts.append((REGISTRY, "", adoption.registry))
        for kind, name, text in texts:
            digest = cited_digest(text)
            known = found.get(digest)
            if known is None or known.adopted_at is None:
                # An entry that gets its time keeps its place: the earliest first.
                found[digest] = Cited(kind, name, digest, adoption.recorded_at or None, text)
    return found


def _id_of(rule_set: bytes) -> str:
    """The id that a rule set gives itself, whatever else of it is understood."""
    try:
        return str(tomllib.loads(rule_set.decode()).get("id", ""))
    except ValueError:
        return ""

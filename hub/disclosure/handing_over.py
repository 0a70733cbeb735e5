"""What a case in a merge hands over: what each party was shown on consents of whose ending it was not told.

Rules:
- A consent has ended for a party when it opened something at the last settlement, and does not now (`endings`). In a
  merge the case that hands over knows the one, and the case that goes on the other: so each asks its half.
- The case that goes on asks when all has come, and tells whoever is not shown it here either. It is dated by when the
  last of that was brought.
- What a case had from another one and has not settled itself, it hands on as it is.

Pure. `hub.shard.forwarding` hands over; `hub.shard.notices` tells what has ended where it came to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache, cached_property

from hub.case_timeline.timeline import CaseTimeline
from hub.consent.decision import Decider
from hub.disclosure.endings import Behind, Ids, Loss, PolicyAt, as_settled, opened
from hub.disclosure.settlement import NOTHING, mask_of_shown, shown_now
from hub.store.records import Shown


def endings_elsewhere(case: CaseTimeline, decider: Decider) -> Mapping[tuple[Ids, str], tuple[Loss, ...]]:
    """Return what another case had shown, and its consent does not open here, nor anything else shows here.

    By (consent, party), in that order. Nothing while facts are still coming in.
    """
    found: dict[tuple[Ids, str], list[Loss]] = {}
    behind = Behind(case, decider)
    for (event_id, party), bases in case.former_bases.from_another.items() if case.is_whole else ():
        if case.is_unlinked(event_id):
            continue
        outline = case.facts[event_id].outline
        gone = ~mask_of_shown(shown_now(case, decider, event_id).get(party, NOTHING))
        for consent, mask in behind.of(bases, outline):
            if lost := mask & gone & ~opened(decider, consent, outline, party):
                found.setdefault((consent, party), []).append(Loss(outline, lost))
    return {key: tuple(losses) for key, losses in sorted(found.items())}


class OpenBases:
    """What the parties of a case were shown by consents of whose ending it has not told them; for the next case.

    Of what a party is shown without a break that is all. Of what was hidden, it is what the consent opened still in the
    last settlement in which it was hidden: else it had ended before, and was told.
    """

    def __init__(self, case: CaseTimeline, policy_at: PolicyAt) -> None:
        self._case = case
        self._decider = cache(lambda settled: as_settled(case, settled, policy_at)[0])

    @cached_property
    def _behind(self) -> Behind:
        return Behind(self._case, self._decider(self._case.settled))

    def of(self, event_id: str, party: str) -> Shown:
        """What the party was shown of one fact."""
        case, line, former = self._case, (event_id, party), self._case.former_bases
        handed = Counter(former.from_another.get(line, {}))
        for basis, mask in (*case.told.get(event_id, {}).get(party, ()), *former.kept.get(line, {}).items()):
            for _, shown in self._behind.of({basis: mask}, case.facts[event_id].outline):
                handed[basis] |= shown
        for settled, masks in (
            (case.settled, former.taken_back.get(line, {})),
            *former.shown_again.get(line, {}).items(),
        ):
            for basis, mask in masks.items():
                outline = case.facts[event_id].outline
                for consent, shown in self._behind.of({basis: mask}, outline):
                    handed[basis] |= shown & opened(self._decider(settled), consent, outline, party)
        return tuple(sorted((basis, mask) for basis, mask in handed.items() if mask))

"""What operators watch: counters and gauges of one worker, served on `/metrics`.

Rules:
- No label can identify a person: labels are parties, reason codes, effects and shard numbers, all closed lists.
- Every metric has a help text that says what to do with it; a test keeps the list in the README true.
- The server binds to 127.0.0.1 unless a setting says otherwise.

The shard hands in plain numbers; nothing here reads a record.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from http.server import HTTPServer
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

REVIEWS: Final = ("REVIEW_OVERDUE", "CITIZEN_NOTICE_OVERDUE")
"""The kinds of reminder about emergency access."""


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """What one stored batch did, by party id; `parked` by (party, reason code), `resolved` by (party, outcome)."""

    admitted: Mapping[str, int]
    parked: Mapping[tuple[str, str], int]
    resolved: Mapping[tuple[str, str], int]
    repeats: int
    undecided: int
    decisions: int
    disclosed: Mapping[str, int]
    retracted: Mapping[str, int]


class Metrics:
    """All metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._rebuilds_seen = 0
        self._of_open_shards: list[Gauge] = []
        self.ingested = self._counter("hub_ingested_total", "facts admitted, by publishing party", "party")
        self.repeats = self._counter("hub_repeats_total", "facts that a party stated again: they change nothing")
        self.parked = self._counter("hub_parked_total", "records refused: see `hub parked list`", "party", "reason")
        self.parked_resolved = self._counter(
            "hub_parked_resolved_total",
            "parked records that are no longer open: `admitted`, `parked_again` or `expired`",
            "party",
            "outcome",
        )
        self.decisions = self._counter("hub_decisions_total", "decisions recorded: a party's view of a fact changed")
        self.undecided = self._counter(
            "hub_undecided_total", "settlements that failed: nothing of those cases leaves, see the log"
        )
        self.disclosed = self._counter("hub_disclosed_total", "numbers given out that show something", "party")
        self.retracted = self._counter("hub_retracted_total", "numbers given out that take something back", "party")
        self.lag_seconds = self._gauge("hub_lag_seconds", "how far the shard clock is behind the newest tick", "shard")
        self.lag_records = self._gauge("hub_lag_records", "input records not handled yet", "shard")
        self.unsent_records = self._gauge(
            "hub_unsent_records", "numbers given out, not confirmed sent", "shard", "party"
        )
        self.oldest_unsent_seconds = self._gauge(
            "hub_oldest_unsent_seconds",
            "age of the oldest number not confirmed sent: a party cannot be reached",
            "shard",
            "party",
        )
        self.parked_records = self._gauge("hub_parked_records", "parked records that wait", "shard", "party")
        self.oldest_parked_seconds = self._gauge(
            "hub_oldest_parked_seconds",
            "age of the oldest parked record that waits: it expires, see `hub parked list`",
            "shard",
            "party",
        )
        self.silent_seconds = self._gauge(
            "hub_publisher_silent_seconds",
            "time since the publisher's last sign of life, +Inf where it gave none: see `hub publishers`",
            "shard",
            "party",
        )
        self.signing_key_missing = self._gauge(
            "hub_signing_key_missing",
            "1 where no key of the party was ever registered: it need not sign, see `hub keys list`",
            "shard",
            "party",
        )
        self.open_reviews = self._gauge(
            "hub_open_reviews",
            "emergency access not reviewed, or not told to the citizen: pending, or overdue; see `hub emergency list`",
            "shard",
            "kind",
            "state",
        )
        self.merges_waiting = self._gauge(
            "hub_merges_waiting",
            "cases that have something to tell another one in a merge: stays up where one hangs",
            "shard",
        )
        self.withdrawals_unacknowledged = self._gauge(
            "hub_withdrawals_unacknowledged",
            "withdrawals of which not every order to remove is confirmed, or that withdraw no known consent: stays up "
            "where a receiver cannot be reached or an id is mistyped, see `hub withdrawals list`",
            "shard",
        )
        self.receipts_owed = self._gauge(
            "hub_receipts_owed",
            "receivers that have not said what they did after a consent ended: pending, or overdue",
            "shard",
            "state",
        )
        self.resyncs_open = self._gauge(
            "hub_resyncs_open", "1 while the party is being told everything anew: see `hub resync`", "shard", "party"
        )
        self.resync_seconds = self._gauge(
            "hub_resync_seconds",
            "time since the party's open resync was asked for, 0 where none is open: stays up where one hangs",
            "shard",
            "party",
        )
        self.clock_seconds = self._gauge("hub_shard_clock_seconds", "the shard clock, as Unix time", "shard")
        # What follows is said of every shard of the hub, by every worker.
        self._of_open_shards = [each for each in vars(self).values() if isinstance(each, Gauge)]
        self.owned = self._gauge("hub_shard_owned", "1 where the group gives the shard to this worker", "shard")
        self.at_work = self._gauge("hub_shard_at_work", "1 while the shard is open here and its batches run", "shard")
        self.failures = self._counter(
            "hub_shard_failures_total", "times a shard was closed here over a failure, to be tried again", "shard"
        )
        self.fenced = self._counter(
            "hub_shard_fenced_total", "batches refused because another worker had stored first", "shard"
        )
        self.stalled = self._counter(
            "hub_inputs_stalled_total", "readers of a shard thrown away: records were there and did not come", "shard"
        )
        self.unstamped = self._counter(
            "hub_inputs_unstamped_total",
            "records that the broker did not stamp, dated by the newest tick: see `hub deploy topics --check`",
            "shard",
        )
        self.group_rebuilds = self._counter(
            "hub_group_rebuilds_total", "clients of the workers' group thrown away: it did not come to rest"
        )
        self.registry_refused = self._gauge(
            "hub_registry_refused", "1 while the party registry has changed and cannot be taken up: see the log"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def count(self, counts: BatchCounts) -> None:
        """Add what one batch did."""
        self.repeats.inc(counts.repeats)
        self.decisions.inc(counts.decisions)
        self.undecided.inc(counts.undecided)
        for party, count in counts.admitted.items():
            self.ingested.labels(party).inc(count)
        for (party, reason), count in counts.parked.items():
            self.parked.labels(party, reason).inc(count)
        for (party, outcome), count in counts.resolved.items():
            self.parked_resolved.labels(party, outcome).inc(count)
        for party, count in counts.disclosed.items():
            self.disclosed.labels(party).inc(count)
        for party, count in counts.retracted.items():
            self.retracted.labels(party).inc(count)

    def observe(self, shard: int, clock: int, newest_tick: int, lag_records: int) -> None:
        """Set where a shard stands; `clock` and `newest_tick` in milliseconds."""
        self.clock_seconds.labels(shard).set(clock / 1000)
        self.lag_seconds.labels(shard).set(max(0, newest_tick - clock) / 1000)
        self.lag_records.labels(shard).set(lag_records)

    def observe_unsent(self, shard: int, unsent: Mapping[str, tuple[int, float]]) -> None:
        """Set, per party of one shard, how many numbers are unsent and how old the oldest is (seconds)."""
        for party, (count, age_seconds) in unsent.items():
            self.unsent_records.labels(shard, party).set(count)
            self.oldest_unsent_seconds.labels(shard, party).set(age_seconds)

    def observe_parked(self, shard: int, waiting: Mapping[str, tuple[int, int]]) -> None:
        """Set, per party of one shard, how many parked records wait and how old the oldest is (milliseconds)."""
        for party, (count, age_ms) in waiting.items():
            self.parked_records.labels(shard, party).set(count)
            self.oldest_parked_seconds.labels(shard, party).set(age_ms / 1000)

    def observe_resyncs(self, shard: int, ages: Mapping[str, int | None]) -> None:
        """Set how old the open resync of each party is on one shard (milliseconds); `None` where none is open."""
        for party, age_ms in ages.items():
            self.resyncs_open.labels(shard, party).set(age_ms is not None)
            self.resync_seconds.labels(shard, party).set((age_ms or 0) / 1000)

    def observe_silence(self, shard: int, silent_ms: Mapping[str, int | None]) -> None:
        """Set how long ago each publisher gave its last sign of life on one shard; `None` = never."""
        for party, milliseconds in silent_ms.items():
            self.silent_seconds.labels(shard, party).set(
                math.inf if milliseconds is None else max(0, milliseconds) / 1000
            )

    def observe_signing(self, shard: int, signs: Mapping[str, bool]) -> None:
        """Set which parties have no key to sign with on one shard."""
        for party, has_key in signs.items():
            self.signing_key_missing.labels(shard, party).set(not has_key)

    def observe_reviews(self, shard: int, owed: Mapping[tuple[str, bool], int]) -> None:
        """Set what is owed about emergency access on one shard, by (kind of reminder, whether it is overdue)."""
        for kind in REVIEWS:
            for state, is_overdue in (("pending", False), ("overdue", True)):
                self.open_reviews.labels(shard, kind, state).set(owed.get((kind, is_overdue), 0))

    def observe_withdrawals(self, shard: int, unacknowledged: int, owed: Mapping[bool, int]) -> None:
        """Set what is open about ended consents on one shard; `owed` counts receipts by whether they are overdue."""
        self.withdrawals_unacknowledged.labels(shard).set(unacknowledged)
        for state, is_overdue in (("pending", False), ("overdue", True)):
            self.receipts_owed.labels(shard, state).set(owed.get(is_overdue, 0))

    def observe_merges(self, shard: int, waiting: int) -> None:
        """Set how many cases of one shard have something left to tell another one in a merge."""
        self.merges_waiting.labels(shard).set(waiting)

    def expect(self, shards: Iterable[int]) -> None:
        """Show each of `shards` from the beginning: not this worker's, nothing counted."""
        for shard in shards:
            for each in (self.owned, self.at_work, self.failures, self.fenced, self.stalled, self.unstamped):
                each.labels(shard)

    def observe_holding(self, shards: Iterable[int], owned: Container[int], at_work: Container[int]) -> None:
        """Set, for each of `shards`, whether it is this worker's and whether it is at work."""
        for shard in shards:
            self.owned.labels(shard).set(shard in owned)
            self.at_work.labels(shard).set(shard in at_work)

    def observe_group(self, rebuilds: int) -> None:
        """Count clients of the workers' group that were thrown away; `rebuilds` of them by now."""
        self.group_rebuilds.inc(rebuilds - self._rebuilds_seen)
        self._rebuilds_seen = rebuilds

    def count_failure(self, shard: int, *, is_fenced: bool, is_stalled: bool) -> None:
        """Count one failure of a shard."""
        self.failures.labels(shard).inc()
        self.fenced.labels(shard).inc(is_fenced)
        self.stalled.labels(shard).inc(is_stalled)

    def forget(self, shards: Iterable[int]) -> None:
        """Say nothing more of how shards stand that are another worker's now."""
        for gauge in self._of_open_shards:
            for shard in shards:
                gauge.remove_by_labels({"shard": str(shard)})

    def serve(self, address: str, port: int) -> HTTPServer:
        """Serve `/metrics`; port 0 takes a free one. Returns the server (`server_port` tells the port)."""
        server, _ = start_http_server(port, address, registry=self.registry)
        return server

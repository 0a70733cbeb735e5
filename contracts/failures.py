"""The one error tree of the project, split by who is at fault.

    Failure
    |- PublisherFailure      the sender of one record or fact: mend it and state it again
    |  |- InvalidFact        refused before sending: names field, rule and fix
    |  `- Refused            refused on arrival: carries the reason code under which the record is parked
    |- CallerFailure         the person or program that called: mend the call
    |  |- BadRegistry        a party registry that cannot hold
    |  |- BadContract        a contract that breaks a lint rule
    |  |- BadRuleSet         a rule set that cannot be read
    |  |- BadScenario        a scenario file outside the grammar
    |  |- BadSetting         a missing or impossible setting
    |  |- BadNationalId      a national id or birth date that cannot be one
    |  `- NotFound           no such case, event, party or key
    |- StoreFailure          the shard's own store
    |  |- ForeignStore       made for another cluster, shard or version: refuse and alarm
    |  |- FencedOff          another owner committed first: drop the cache and stop
    |  |- StoreUnavailable   could not be read or written now (lock, disk): retriable
    |  `- DamagedStore       what is stored cannot be true
    |- ReceiverFailure       what a party was sent cannot be applied: its subscription stands still, nothing is skipped
    |  |- MissingNumber      a number is missing between what was applied and what came
    |  |- UnreadableRecord   a key, header or value is not what the contract says
    |  `- ForgedRecord       the hub's signature does not hold
    |- TransportFailure      Kafka or the network; retriable unless the class says otherwise
    |  |- StalledInput       records are there and do not come: the consumer was thrown away
    |  `- TransportRefused   the broker will not have it: trying the same again cannot help
    |- UnforeseenFault       what nobody foresaw, told by its type and place: tried again, and to be reported
    `- SetupFailure          a download, a Java or a port that local set-up needs

Rules:
- Messages: lower case, no full stop, values in backticks, what was expected, what to do. No personal data: a
  message may name a field and a rule, never a field's value where the value is about a citizen.
- `retriable` says whether trying the same again can help.
"""

from __future__ import annotations

from typing import ClassVar


class Failure(Exception):
    """Root of every error that this project raises on purpose."""

    retriable: ClassVar[bool] = False


class PublisherFailure(Failure):
    """A record or fact is wrong; its publisher mends it."""


class InvalidFact(PublisherFailure):
    """A fact breaks its contract. `field`, `rule` and `fix` are the three things its author needs."""

    def __init__(self, field: str, rule: str, fix: str) -> None:
        super().__init__(f"field `{field}`: {rule}; {fix}")
        self.field, self.rule, self.fix = field, rule, fix


class Refused(PublisherFailure):
    """A record that arrival parks. `reason` is one code of `contracts.reasons`."""

    def __init__(self, reason: str, field: str, fix: str) -> None:
        super().__init__(f"{reason}: field `{field}`: {fix}")
        self.reason, self.field, self.fix = reason, field, fix


class CallerFailure(Failure):
    """A call, file or setting is wrong; the caller mends it."""


class BadRegistry(CallerFailure):
    """A party registry cannot hold."""


class BadContract(CallerFailure):
    """A contract breaks a lint rule."""


class BadRuleSet(CallerFailure):
    """A rule set cannot be read."""


class BadScenario(CallerFailure):
    """A scenario file is outside the grammar."""


class BadSetting(CallerFailure):
    """A setting is missing or impossible."""


class BadNationalId(CallerFailure):
    """A national id or birth date cannot be one. The message never shows a digit of it."""


class NotFound(CallerFailure):
    """There is no such case, event, party or key."""


class StoreFailure(Failure):
    """The shard's own store refuses or is damaged."""


class ForeignStore(StoreFailure):
    """The store belongs to another cluster, shard or version."""


class FencedOff(StoreFailure):
    """Another owner of this shard committed first."""


class StoreUnavailable(StoreFailure):
    """The store could not be read or written now: a lock, a full disk. Nothing of the call is stored."""

    retriable: ClassVar[bool] = True


class DamagedStore(StoreFailure):
    """What is stored cannot be true."""


class ReceiverFailure(Failure):
    """What a party was sent cannot be applied."""


class MissingNumber(ReceiverFailure):
    """A number is missing between what was applied and what came."""


class UnreadableRecord(ReceiverFailure):
    """A key, header or value of a received record is not what the contract says."""


class ForgedRecord(ReceiverFailure):
    """A received record does not carry the hub's signature, or one that does not hold."""


class TransportFailure(Failure):
    """Kafka could not be reached, refused, or did not confirm."""

    retriable: ClassVar[bool] = True


class StalledInput(TransportFailure):
    """Records are there and do not come; whoever read them was thrown away, and begins again from stored positions."""


class TransportRefused(TransportFailure):
    """The broker will not have it: a right is missing, a topic is, or the record is too large."""

    retriable: ClassVar[bool] = False


class UnforeseenFault(Failure):
    """An error that no part raises on purpose. The message is `contracts.faults.told`: it repeats none of its words."""

    retriable: ClassVar[bool] = True


class SetupFailure(Failure):
    """Local set-up lacks something; the message says what to install or set."""

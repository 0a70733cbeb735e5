"""One history: a seed, the steps that it draws, and the trace that they leave.

Rules:
- A seed first draws its temper: how much of each kind of step there is (some not at all), and the hub's limits. So
  histories differ in kind, not only in detail.
- Then so many steps, each one action of somebody; then every fault is undone and the end is judged.
- The trace has one line for each step and one for all that is stored and sent: equal traces, equal histories.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final

from tests.simulator.citizens import COMING, ENROLLED, NAMES, PARTIES, PARTITIONS
from tests.simulator.contact import Contact
from tests.simulator.losses import Losses
from tests.simulator.machine import Violated
from tests.simulator.statements import DAY_MS, HOUR_MS, Author, Statement
from tests.simulator.workers import Limits, keep_to, shared_readings
from tests.simulator.world import INPUTS, Beginning, World, nothing_yet

STEPS_MIN: Final = 200
STEPS_MORE: Final = 20
TICK_MS: Final = 5_000
STEPS_TO_SEND_MAX: Final = 8


@dataclass(slots=True)
class Outcome:
    """What became of a history. `invariant` is empty where every promise was kept."""

    seed: int
    steps: int
    trace: list[str]
    invariant: str = ""
    detail: str = ""


class History:
    """The history of one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.cuts = Random(f"cuts of {seed}")
        """Apart, so that a history without a cut is what it was before there were any."""
        self.losses = Losses(seed)
        self.contact = Contact(seed)
        self.limits = _limits(self.chance)
        self.limits.resync_cases = self.losses.cases_at_once
        self.steps = STEPS_MIN + self.chance.randrange(STEPS_MORE)
        self.trace: list[str] = []
        self.is_new = self.chance.random() < 0.1
        self.actions = _weighed(self, self.chance)

    def play(self) -> Outcome:
        """Play it to its end, or to the first broken promise."""
        beginning = nothing_yet() if self.is_new else enrolled()
        self.world = World(self.chance, self.limits, beginning)
        self.author = Author(self.chance)
        self.coming = list(COMING)
        with shared_readings(self.world.time, self.limits) as patch:
            try:
                self._begin()
                names, weights = list(self.actions), [weight for _, weight in self.actions.values()]
                for step in range(self.steps):
                    name = self.chance.choices(names, weights)[0]
                    self.trace.append(f"{step} {name} {self.actions[name][0]()}")
                    for what in (
                        self.losses.now_and_then(self.world),
                        self.contact.now_and_then(self.world, self.author, self.say),
                    ):
                        if what:
                            self.trace.append(f"{step} {what}")
                keep_to(Limits(), patch)
                self.trace.append(self.world.settle())
                self.trace.append(fingerprint(self.world))
            except Violated as violated:
                self.trace.append(f"broken: {violated}")
                return Outcome(self.seed, len(self.trace), self.trace, violated.invariant, violated.detail)
            finally:
                self.world.close()
        return Outcome(self.seed, self.steps, self.trace)

    def _begin(self) -> None:
        if self.is_new:
            self.world.tick()
            for citizen in ENROLLED:
                self.world.enrol(citizen)
        for shard in range(PARTITIONS):
            self.world.workers[0].take(shard)

    # --- what parties do

    def say(self, draw: Callable[[int], Statement | None]) -> str:
        """State something; now and then it arrives late, or twice since its confirmation was lost."""
        statement = draw(self.world.time.now)
        if statement is None:
            return "nothing to say"
        what = f"{statement.party} {statement.event_type} {statement.event_id[:8]} on {statement.partition}"
        fate = self.chance.random()
        if fate < 0.06:
            self.world.network.late.append(lambda: self.world.say(statement))
            return f"{what} late"
        offset = self.world.say(statement)
        if fate < 0.12:
            self.world.network.late.append(lambda: self.world.say(statement))
            return f"{what} at {offset}, unconfirmed"
        return f"{what} at {offset}"

    def enrol(self) -> str:
        """Enrol somebody new, whose key parties may have used before."""
        if not self.coming:
            return "nobody"
        citizen = self.coming[0]
        if citizen not in self.author.citizens:
            self.author.citizens.append(citizen)
            return f"spoken of {citizen.case_id[-1]}"
        self.coming.pop(0)
        self.world.enrol(citizen)
        return f"enrolled {citizen.case_id[-1]}"

    def retry(self) -> str:
        """An operator has a parked record judged again; now and then one that is resolved, or never was."""
        shard = self.chance.randrange(PARTITIONS)
        parked = list(self.world.accounts[shard].parked)
        if not parked:
            return "nothing parked"
        stream, version = self.chance.choice(parked)
        party = stream.removeprefix("parked:")
        self.world.control(shard, "ParkedRetried", {"party": party, "parkedNumber": version})
        return f"{party} {version} on {shard}"

    def alive(self) -> str:
        """A publisher gives a sign of life."""
        party = self.chance.choice(PARTIES)
        for shard in range(PARTITIONS):
            self.world.control(shard, "PublisherAlive", {}, party)
        return party

    # --- what the hub and the receivers do

    def work(self) -> str:
        """A worker steps one of its shards; whoever is dead is started now and then."""
        world = self.world
        shard = self.chance.randrange(PARTITIONS)
        holders = [worker for worker in world.workers if shard in worker.shards]
        if not holders:
            owner = world.workers[world.owner[shard]]
            if owner.is_dead:
                owner.start()
            return f"{owner.name} takes {shard}: {owner.take(shard)}"
        worker = self.chance.choice(holders)
        return f"{worker.name} steps {shard}: {worker.step(shard)}"

    def receive(self) -> str:
        """A receiver handles one poll."""
        receiver = self.world.receivers[self.chance.choice(PARTIES)]
        return f"{receiver.party} {receiver.advance()}"

    def pass_time(self) -> str:
        """A little time passes; whoever ticks does so where any worker is alive."""
        self.world.time.now += self.chance.choice((300, 1_000, TICK_MS, TICK_MS, 20_000))
        if all(worker.is_dead for worker in self.world.workers):
            return "nobody ticks"
        self.world.tick()
        return str(self.world.time.now)

    # --- what goes wrong

    def kill_soon(self) -> str:
        """A worker will be killed at one of its next points."""
        worker = self.chance.choice(self.world.workers)
        if worker.is_dead:
            return "is dead"
        worker.program.points_left = self.chance.randrange(14)
        return f"{worker.name} after {worker.program.points_left} points"

    def end_worker(self) -> str:
        """A worker is ended in order."""
        worker = self.chance.choice(self.world.workers)
        return "is dead" if worker.is_dead else f"{worker.name} {worker.end()}"

    def take_over(self) -> str:
        """The group gives a shard to another worker; the old one may not hear of it."""
        world, shard = self.world, self.chance.randrange(PARTITIONS)
        old = world.workers[world.owner[shard]]
        world.owner[shard] = (world.owner[shard] + 1) % self.chance.choice((2, 3))
        new = world.workers[world.owner[shard]]
        if new is old or shard in new.shards:
            return "stays"
        heard = self.chance.random() < 0.3 and shard in old.shards
        told = f", {old.name} {old.give_up(shard)}" if heard else ""
        if new.is_dead:
            new.start()
        return f"{shard} to {new.name}: {new.take(shard)}{told}"

    def kill_receiver(self) -> str:
        """A receiver will be killed at one of its next points."""
        receiver = self.world.receivers[self.chance.choice(PARTIES)]
        receiver.program.points_left = self.chance.randrange(40)
        return f"{receiver.party} after {receiver.program.points_left} points"

    def trouble_disk(self) -> str:
        """A disk is full, or has room again, or the next commit is cut."""
        shard = self.chance.randrange(PARTITIONS)
        disk = self.world.disks[shard]
        what = self.chance.choice(("full", "room", "lost", "unanswered", "unanswered"))
        if what in ("full", "room"):
            disk.is_full = what == "full"
        else:
            disk.next_commit = what
        return f"{shard} {what}"

    def trouble_outputs(self) -> str:
        """An output topic is slow, unreachable, or will lose a confirmation."""
        network, topic = self.world.network, NAMES.output(self.chance.choice(PARTIES))
        name = self.chance.choice(("slow", "unreachable", "forgetful", "forgetful"))
        getattr(network, name).add(topic)
        return f"{topic} {name}"

    def trouble_inputs(self) -> str:
        """An input topic gives nothing, shows its end late, or its leader's clock is off."""
        network, topic = self.world.network, self.chance.choice(list(INPUTS))
        shard = self.chance.randrange(PARTITIONS)
        match self.chance.choice(("unread", "late", "late", "skew")):
            case "unread":
                network.unread.add(topic)
                return f"{topic} unread"
            case "late":
                network.seen_to[topic, shard] = network.end(topic, shard)
                return f"{topic} {shard} seen late"
        network.skew[topic] = self.chance.choice((-4_000, -500, 3_000, 80_000))
        return f"{topic} skewed {network.skew[topic]}"

    def trouble_parties(self) -> str:
        """The parties' clocks go wrong, or right."""
        self.author.clock_off_ms = self.chance.choice((0, 0, 2_000, 40_000, 5 * 60_000))
        return str(self.author.clock_off_ms)

    def heal(self) -> str:
        """The network and the disks are as they should be, for now."""
        self.world.network.heal()
        for disk in self.world.disks:
            disk.is_full = False
        return ""

    def arrive(self) -> str:
        """Something that was late arrives."""
        number = self.chance.randrange(1, 4)
        self.world.network.arrive(number)
        return str(number)

    def outage(self) -> str:
        """Every worker is gone or frozen for a while in which parties go on, with withdrawals; then they tick again."""
        is_frozen = self.chance.random() < 0.4
        author, said = self.author, [] if is_frozen or self.cuts.random() < 0.5 else self._end_unsent()
        for worker in self.world.workers:
            if not worker.is_dead and not is_frozen:
                worker.bury()
        for _ in range(self.chance.randrange(2, 6)):
            self.world.time.now += self.chance.choice((20_000, HOUR_MS))
            said.append(self.say(self.chance.choice((author.consent, author.fact, author.withdrawal))))
            if self.chance.random() < 0.4:
                said.append(self.say(author.withdrawal_of_the_last))
        self.world.tick(self.chance.choice((HOUR_MS, DAY_MS)))
        return f"{'frozen' if is_frozen else 'away'}: {'; '.join(said)}"

    def _end_unsent(self) -> list[str]:
        """A consent opens something, and the worker ends before it has sent what it stored; then it is withdrawn."""
        world, said = self.world, [self.say(self.author.consent)]
        shard = self.author.consents[-1].partition
        owner = world.workers[world.owner[shard]]
        world.tick(1_000)
        owner.program.killed_when_at = "before handing over"
        for _ in range(STEPS_TO_SEND_MAX):
            if shard in owner.shards:
                owner.step(shard)
        owner.program.killed_when_at = ""
        return [*said, self.say(self.author.withdrawal_of_the_last)]

    def long_time(self) -> str:
        """Days or months pass in quiet: something lapses by time alone, and what is parked expires."""
        self.world.tick(self.chance.choice((DAY_MS, 30 * DAY_MS, 80 * DAY_MS)))
        return str(self.world.time.now)

    def lose_cache(self) -> str:
        """Cache rows are lost, which costs time and nothing else."""
        rows = self.world.disks[self.chance.randrange(PARTITIONS)].content.cache_rows
        lost = [case_id for case_id in sorted(rows) if self.chance.random() < 0.5]
        for case_id in lost:
            del rows[case_id]
        return str(len(lost))


def _limits(chance: Random) -> Limits:
    return Limits(
        batch_records=chance.choice((1, 4, 2_000, 2_000, 2_000)),
        due_cases=chance.choice((1, 500)),
        left_over=chance.choice((2, 15, 500, 500)),
        held_facts=chance.choice((1, 12, 200_000, 200_000)),
        idle_write_ms=chance.choice((0, 12_000)),
    )


Action = tuple[Callable[[], str], float]


def _weighed(history: History, chance: Random) -> dict[str, Action]:
    """Every action with how often it is drawn: of what is not basic, nothing, some or much."""
    say = history.say

    def saying(name: str) -> Callable[[], str]:
        return lambda: say(getattr(history.author, name))

    basic: dict[str, Action] = {
        "fact": (saying("fact"), 9),
        "work": (history.work, 38),
        "receive": (history.receive, 22),
        "time": (history.pass_time, 27),
        "consent": (saying("consent"), 5),
    }
    varied: dict[str, Action] = {
        "withdrawal": (saying("withdrawal"), 4),
        "amendment": (saying("amendment"), 2),
        "correction": (saying("correction"), 3),
        "retraction": (saying("retraction"), 3),
        "release": (saying("release"), 1),
        "repeat": (saying("repeat"), 2),
        "unsound": (saying("unsound"), 3),
        "retry": (history.retry, 3),
        "enrol": (history.enrol, 1),
        "alive": (history.alive, 1),
        "kill soon": (history.kill_soon, 5),
        "end": (history.end_worker, 1),
        "take over": (history.take_over, 4),
        "kill receiver": (history.kill_receiver, 3),
        "disk": (history.trouble_disk, 4),
        "outputs": (history.trouble_outputs, 4),
        "inputs": (history.trouble_inputs, 4),
        "parties": (history.trouble_parties, 1),
        "outage": (history.outage, 1),
        "long time": (history.long_time, 1),
        "cache": (history.lose_cache, 1),
    }
    weighed = {name: (action, weight * chance.choice((0, 1, 1, 2))) for name, (action, weight) in varied.items()}
    return basic | weighed | {"heal": (history.heal, 5), "arrive": (history.arrive, 6)}


@lru_cache(maxsize=1)
def enrolled() -> Beginning:
    """The hub with its first citizens enrolled and everybody told; played once."""
    world = World(Random(0), Limits(), nothing_yet())
    with shared_readings(world.time, world.limits):
        world.tick()
        for citizen in ENROLLED:
            world.enrol(citizen)
        world.settle()
    return world.snapshot()


def fingerprint(world: World) -> str:
    """A digest of all that lies on the topics and in the stores."""
    digest = hashlib.sha256()
    for topic in (*INPUTS, *map(NAMES.output, PARTIES)):
        for shard in range(PARTITIONS):
            for record in world.network.broker.log(topic, shard):
                digest.update(b"%d %d " % (record.offset, record.timestamp) + (record.key or b"-") + b" ")
                digest.update(b" ".join([record.value or b"-", *(value for _, value in record.headers)]))
    for disk in world.disks:
        for stream, rows in sorted(disk.content.streams.items()):
            digest.update(repr((stream, [row.body for row in rows])).encode())
        digest.update(repr((sorted(disk.content.due.items()), sorted(disk.content.send_positions.items()))).encode())
    return digest.hexdigest()

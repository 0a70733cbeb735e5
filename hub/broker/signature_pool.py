"""Signing and checking of signatures beside the batch: in processes of their own, a few hundred at a time.

Rules:
- One check costs about 60 microseconds and one signature 25, which up to sixteen records share: half as much as all
  else of an event. In a thread of the worker it would wait for the interpreter after each: nothing but another process
  takes the work off the batch.
- A few at a time are answered at once, here: handing them over would cost more.
- A process has its next question before it has answered the last one: between two it would wait for the worker's
  interpreter, which is busy with a batch, for as long as it works on one.
- A process that ends is replaced, and its questions answered here: the answer is the same wherever it is worked out.
- Every question gets an answer or an error, whatever goes wrong: its shard waits for it without limit.

From `verified_inputs` and `signed_outputs`; the processes run `signature_process`.
"""

from __future__ import annotations

import logging
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar, cast

from contracts.signed_together import TOGETHER_MAX, Proof
from hub.broker.signature_process import Answer, Question, Said, answer_to, read_frame, write_frame

AT_ONCE_MAX: Final = 8
CHUNK_RECORDS: Final = 12 * TOGETHER_MAX
ASKED_AHEAD_MAX: Final = 3
FRAME_BYTES_USUAL: Final = 256 * 1024
"""Of streams: a frame below that is written in one go, and read in one or two."""
CLOSE_SECONDS_MAX: Final = 5.0

log = logging.getLogger(__name__)


One = TypeVar("One")


class Answers(Generic[One]):
    """The answers to one question, as they come."""

    def __init__(self, parts: Sequence[Future[list[One]]]) -> None:
        self._parts = parts

    @property
    def are_there(self) -> bool:
        """Whether all have come."""
        return all(part.done() for part in self._parts)

    def all(self) -> list[One]:
        """Wait for all of them and return them in order."""
        return [answer for part in self._parts for answer in part.result()]


class SignaturePool:
    """`processes` signing processes, started when first needed; with none, everything is worked out here."""

    def __init__(self, processes: int) -> None:
        self._count = processes
        self._waiting: queue.SimpleQueue[tuple[Question, Future[list[Answer]]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def sign(self, private: bytes, records: Sequence[Said]) -> Answers[Proof]:
        """Begin to sign `records` that the hub sends with its `private` key; each answer is that of `proofs_of`."""
        return self._ask(private, {}, "", records)

    def check(self, public_keys: Mapping[str, bytes], hub_input: str, records: Sequence[Said]) -> Answers[bool | None]:
        """Begin to check `records` that came; each answer is that of `signature_process.verdict_on`."""
        return self._ask(b"", public_keys, hub_input, records)

    def _ask(
        self, private: bytes, public_keys: Mapping[str, bytes], hub_input: str, records: Sequence[Said]
    ) -> Answers[Any]:
        if not self._count or len(records) <= AT_ONCE_MAX:
            return Answers([_answered((private, public_keys, hub_input, records))])
        self._start()
        parts: list[Future[list[Answer]]] = []
        for start in range(0, len(records), CHUNK_RECORDS):
            part: Future[list[Answer]] = Future()
            self._waiting.put(((private, public_keys, hub_input, records[start : start + CHUNK_RECORDS]), part))
            parts.append(part)
        return Answers(parts)

    def close(self) -> None:
        """End the processes, once what was asked is answered."""
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            thread.join(CLOSE_SECONDS_MAX)
        self._threads = []

    def _start(self) -> None:
        while len(self._threads) < self._count:
            name = f"signatures-{len(self._threads)}"
            thread = threading.Thread(target=self._serve, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self) -> None:
        process, is_over = _Process(), False
        while not (is_over and process.is_idle):
            try:
                while not is_over and process.has_room:
                    asked = self._waiting.get(block=process.is_idle)
                    if asked is None:
                        is_over = True
                    else:
                        process.ask(*asked)
            except queue.Empty:
                pass
            if not process.is_idle:
                process.answer()
        process.end()


class _Process:
    """One signing process, and what it has been asked and not answered."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._asked: deque[tuple[Question, Future[list[Answer]]]] = deque()

    @property
    def is_idle(self) -> bool:
        return not self._asked

    @property
    def has_room(self) -> bool:
        return len(self._asked) < ASKED_AHEAD_MAX

    def ask(self, question: Question, part: Future[list[Answer]]) -> None:
        self._asked.append((question, part))
        try:
            write_frame(self._running().stdin, question)  # type: ignore[arg-type]
        except Exception as error:
            self._answer_here(error)

    def answer(self) -> None:
        """Wait for the answer to the oldest question."""
        try:
            answer = cast(list[Answer], read_frame(self._running().stdout))  # type: ignore[arg-type]
        except Exception as error:
            self._answer_here(error)
        else:
            self._asked.popleft()[1].set_result(answer)

    def _answer_here(self, error: Exception) -> None:
        log.warning("a signing process ended (%s): another one is started", type(error).__name__)
        self.end()
        while self._asked:
            question, part = self._asked.popleft()
            try:
                part.set_result(answer_to(question))
            except Exception as failure:  # whoever waits for it must hear of it
                part.set_exception(failure)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = _started()
        return self._process

    def end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        process.wait()


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hub.broker.signature_process"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=FRAME_BYTES_USUAL)


def _answered(question: Question) -> Future[list[Answer]]:
    part: Future[list[Answer]] = Future()
    part.set_result(answer_to(question))
    return part

"""Signing and checking of signatures beside the batch: in processes of their own, a few hundred at a time.

Rules:
- One check costs about 60 microseconds and each signing 30: together half as much as all else of an event. In a
  thread of the worker it would wait for the interpreter after each: nothing but another process takes the work off
  the batch.
- A few at a time are answered at once, here: handing them over would cost more.
- A process that ends is replaced, and its question answered here: the answer is the same wherever it is worked out.

From `verified_inputs` and `signed_outputs`; the processes run `signature_process`.
"""

from __future__ import annotations

import logging
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar, cast

from hub.broker.signature_process import Answer, Question, Said, answer_to, read_frame, write_frame

AT_ONCE_MAX: Final = 8
CHUNK_RECORDS: Final = 200
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

    def sign(self, private: bytes, records: Sequence[Said]) -> Answers[bytes]:
        """Begin to sign `records` that the hub sends with its `private` key; each answer is a signature."""
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
        process: subprocess.Popen[bytes] | None = None
        while (asked := self._waiting.get()) is not None:
            question, part = asked
            try:
                process = process or _started()
                part.set_result(_answer_of(process, question))
            except (OSError, EOFError, ValueError) as error:
                log.warning("a signing process ended (%s): another one is started", type(error).__name__)
                _end(process)
                process = None
                part.set_result(answer_to(question))
        _end(process)


def _answered(question: Question) -> Future[list[Answer]]:
    part: Future[list[Answer]] = Future()
    part.set_result(answer_to(question))
    return part


def _started() -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "hub.broker.signature_process"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _answer_of(process: subprocess.Popen[bytes], question: Question) -> list[Answer]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    write_frame(process.stdin, question)  # type: ignore[arg-type]
    return cast(list[Answer], read_frame(process.stdout))  # type: ignore[arg-type]


def _end(process: subprocess.Popen[bytes] | None) -> None:
    if process is None:
        return
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    process.wait()

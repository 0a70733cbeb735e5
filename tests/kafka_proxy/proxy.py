"""A proxy before the broker that delays, holds, repeats or cuts single Kafka requests, named by what they ask for.

Rules:
- It knows frames and their headers, and nothing of what is in them; one broker on 127.0.0.1 stands behind it.
- Answers that tell clients where the broker is are made to tell where the proxy is: the port is changed in place.
- The broker answers a connection's requests in order, so an answer belongs to the oldest request that waits for one.
- A fault is used up by the requests that meet it; everything else passes.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal, Self

API_KEYS: Final = {"Produce": 0, "Fetch": 1, "ListOffsets": 2, "Metadata": 3, "OffsetCommit": 8, "Heartbeat": 12}
Kind = Literal["delay", "hold", "repeat", "cut request", "cut answer"]
_HEADER: Final = struct.Struct(">hhih")
"""Of a request: what it asks for, in which version, its number, and how long the client's name behind it is."""
_SIZE: Final = struct.Struct(">i")


@dataclass(slots=True)
class Fault:
    """What becomes of the next `times` requests `api` of clients whose name begins with `client`."""

    api: str
    kind: Kind
    client: str = ""
    times: int = 1
    seconds: float = 1.0
    met: int = 0

    def meets(self, request: bytes) -> bool:
        """Whether this request is one of them."""
        api_key, _, _, name_length = _HEADER.unpack_from(request)
        name = request[_HEADER.size : _HEADER.size + max(0, name_length)].decode("ascii", "replace")
        return self.met < self.times and api_key == API_KEYS[self.api] and name.startswith(self.client)


class KafkaProxy:
    """Forwards every connection to the broker at `port`. `arm` sets one fault, `release` lets go what is held."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        here, there = (b"127.0.0.1" + _SIZE.pack(number) for number in (self.port, port))
        self._moved = (there, here)
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._released = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._listener.close()

    @property
    def bootstrap(self) -> str:
        """`host:port` of the proxy."""
        return f"127.0.0.1:{self.port}"

    def arm(self, fault: Fault) -> None:
        """Let this happen to the requests that meet it from now on."""
        self._released.clear()
        with self._lock:
            self._fault = fault

    def release(self) -> None:
        """Let go of what is held."""
        self._released.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            _Connection(self, client, server).start()

    def kind_for(self, request: bytes) -> tuple[Kind | None, float]:
        """What becomes of a request, and for how many seconds."""
        with self._lock:
            fault = self._fault
            if fault is None or not fault.meets(request):
                return None, 0.0
            fault.met += 1
            return fault.kind, fault.seconds

    def wait_for_release(self) -> None:
        """Wait until what is held is let go."""
        self._released.wait()

    def moved(self, answer: bytes) -> bytes:
        """An answer that names the proxy where it named the broker."""
        return answer.replace(*self._moved)


class _Connection:
    """One client's connection and that to the broker, a thread for each direction."""

    def __init__(self, proxy: KafkaProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._waiting: deque[tuple[Kind | None, float]] = deque()

    def start(self) -> None:
        for work in (self._pass_requests, self._pass_answers):
            threading.Thread(target=self._until_it_ends, args=(work,), daemon=True).start()

    def _until_it_ends(self, work: Callable[[], None]) -> None:
        with suppress(OSError, EOFError):
            work()
        for connection in (self._client, self._server):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _pass_requests(self) -> None:
        while True:
            request = _frame(self._client)
            kind, seconds = self._proxy.kind_for(request)
            if kind == "cut request":
                return
            if kind == "repeat":
                # The answer to the first is passed on, that to the second is nobody's.
                self._waiting += [(None, 0.0), (kind, 0.0)]
                _send(self._server, request)
            else:
                self._waiting.append((kind, seconds))
            _send(self._server, request)

    def _pass_answers(self) -> None:
        while True:
            answer = _frame(self._server)
            kind, seconds = self._waiting.popleft()
            if kind == "cut answer":
                return
            if kind == "repeat":
                continue
            if kind == "delay":
                time.sleep(seconds)
            elif kind == "hold":
                self._proxy.wait_for_release()
            _send(self._client, self._proxy.moved(answer))


def _frame(connection: socket.socket) -> bytes:
    (size,) = _SIZE.unpack(_exactly(connection, _SIZE.size))
    return _exactly(connection, size)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        some = connection.recv(min(65_536, size - len(got)))
        if not some:
            raise EOFError
        got += some
    return bytes(got)


def _send(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(_SIZE.pack(len(frame)) + frame)

"""A TCP proxy before a server, which cuts the connection at the first request that holds certain bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class CuttingProxy:
    """Forwards every connection to `port`. `cut_at(b"COMMIT", forwarded=True)` arms one cut.

    `forwarded`: the request still reaches the server, its answer is lost; otherwise neither comes through.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._word: bytes | None = None
        self._forwarded = False
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()

    def cut_at(self, word: bytes, *, forwarded: bool) -> None:
        """Cut at the next request that holds `word`."""
        self._word, self._forwarded = word, forwarded

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            for source, sink, asks in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pass_on, args=(source, sink, asks), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, asks: bool) -> None:
        try:
            while data := source.recv(65_536):
                if asks and self._word is not None and self._word in data:
                    self._word, self.cuts = None, self.cuts + 1
                    if self._forwarded:
                        # The answer must not come back: the client's side ends first.
                        _end(source)
                        sink.sendall(data)
                        sink.shutdown(socket.SHUT_WR)
                        return
                    break
                sink.sendall(data)
        except OSError:
            pass
        _end(source)
        _end(sink)


def _end(connection: socket.socket) -> None:
    """End it for both threads that use it: closing alone would leave the other one waiting."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

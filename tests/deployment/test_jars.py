"""The pinned jars: several processes may ask for them at once on a fresh machine."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FETCH = """
import sys
from pathlib import Path
from deploy.kafka.jars import fetch_jars
print(len(fetch_jars(Path(sys.argv[1]))))
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_processes_that_start_at_once_on_an_empty_cache_all_get_every_jar(tmp_path: Path) -> None:
    served, lock = tmp_path / "maven", tmp_path / "kafka.lock"
    lines = []
    for number in range(40):
        path = f"org/example/part{number % 3}/jar{number}/1.0/jar{number}.jar"
        file = served / path
        file.parent.mkdir(parents=True)
        file.write_bytes(f"jar {number}".encode())
        lines.append(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {path}")
    lock.write_text("\n".join(lines), encoding="utf-8")
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *words: Quiet(*words, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        environment = {"HUB_MAVEN": f"http://127.0.0.1:{server.server_port}", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        words = [sys.executable, "-c", FETCH, str(lock)]
        fetching = [
            subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        answers = [process.communicate(timeout=60) for process in fetching]
    finally:
        server.shutdown()
        server.server_close()
    assert [out.strip() for out, _ in answers] == ["40"] * 4, answers

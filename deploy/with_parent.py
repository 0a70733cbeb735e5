"""`python -m deploy.with_parent MODULE [ARGUMENT ...]`: run a module that dies when its parent dies.

Rules:
- On Linux the kernel sends SIGKILL when the parent thread ends, however it ends; elsewhere this changes nothing.
- A parent that was gone before we could ask ends us at once.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def bind_to_parent() -> None:
    """Ask the kernel to kill this process when its parent ends."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)


if __name__ == "__main__":
    bind_to_parent()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)

"""The layout that import-linter cannot see: a module or package beside the five roots, or outside the layers."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {"contracts", "producers", "hub", "consumers", "deploy", "tests"}
LINES_MAX = 400


def tracked_python() -> list[Path]:
    """Every Python file that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [path for line in sorted(set(listed.stdout.splitlines())) if (path := Path(line)) and (ROOT / path).exists()]


def test_every_module_lies_in_one_of_the_packages() -> None:
    strays = [str(path) for path in tracked_python() if path.parts[0] not in PACKAGES or len(path.parts) == 1]
    assert strays == []


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in tracked_python()}
    assert [str(folder) for folder in sorted(folders) if not (ROOT / folder / "__init__.py").exists()] == []


def test_every_module_opens_with_its_job() -> None:
    silent = [
        str(path)
        for path in tracked_python()
        if path.name not in ("__init__.py", "conftest.py")
        and not (ROOT / path).read_text(encoding="utf-8").lstrip().startswith('"""')
    ]
    assert silent == []


def test_no_module_outgrows_its_reader() -> None:
    long = {
        str(path): lines
        for path in tracked_python()
        if (lines := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert long == {}

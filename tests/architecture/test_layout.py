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


def test_every_decision_record_is_listed_has_the_form_and_is_short() -> None:
    directory = ROOT / "contracts" / "decisions"
    index = (directory / "README.md").read_text(encoding="utf-8")
    records = {path: path.read_text(encoding="utf-8") for path in directory.glob("*.md") if path.name != "README.md"}
    assert [
        path.name for path, text in records.items() if f"[{text.splitlines()[0][2:]}]({path.name})" not in index
    ] == []
    parts = ("**Context.**", "**Decision.**", "**Cost.**", "**What would change it.**")
    assert [path.name for path, text in records.items() if any(part not in text for part in parts)] == []
    assert [path.name for path, text in records.items() if len(text.splitlines()) > 30] == []
    assert len(records) > 10

"""The README is true: its commands run, and its tables are those of the code."""

from __future__ import annotations

import re
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import pytest
from prometheus_client.metrics import MetricWrapperBase
from pydantic_settings import BaseSettings

from consumers.settings import ConsumerSettings
from deploy.cluster import ClusterSettings
from deploy.command_line import hub
from hub.metrics import Metrics
from hub.settings import WorkerSettings
from tests.deployment.conftest import ROOT, DemoRun

README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN_ELSEWHERE = ("deploy/demo", "deploy/test", "deploy/bench")
"""The demo is run by its fixture, the tests are running, and the benchmark has a small run of its own."""
READY = {
    "hub dev kafka": "Ctrl-C stops it",
    "python -m hub": "at work: 1 of 1 shards",
    "python -m consumers": "receiving for",
}
"""What each service says when it is ready."""


class Block(NamedTuple):
    """A fenced block of the README: its language and words behind it, and its text."""

    kind: str
    text: str


def blocks() -> Iterator[Block]:
    for match in re.finditer(r"^```([a-z ]+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL):
        yield Block(match[1], match[2])


def settings_rows(settings: type[BaseSettings]) -> list[str]:
    """The rows of a settings table, as the README must have them."""
    prefix = str(settings.model_config.get("env_prefix"))
    return [
        f"| `{prefix}{name.upper()}` | {_default(field)} | {str(field.description).rstrip('.')} |"
        for name, field in settings.model_fields.items()
    ]


def _default(field: Any) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default in (None, "") else f"`{field.default}`"


def metric_rows() -> list[str]:
    """The rows of the metrics table, as the README must have them."""
    rows = []
    for metric in vars(Metrics()).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            rows.append(f"| `{name}` | {', '.join(metric._labelnames) or 'none'} | {family.documentation} |")
    return rows


def table(heading: str) -> list[str]:
    """The rows of the README's table whose heading begins so."""
    lines = README.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(f"| {heading} |"))
    end = next(number for number in range(start, len(lines)) if not lines[number].startswith("|"))
    return lines[start + 2 : end]


@pytest.mark.parametrize(
    ("heading", "settings"),
    [
        ("setting of the worker", WorkerSettings),
        ("setting of a subscription", ConsumerSettings),
        ("setting of the deployer", ClusterSettings),
    ],
)
def test_settings_tables_are_those_of_the_code(heading: str, settings: type[BaseSettings]) -> None:
    assert table(heading) == settings_rows(settings)


def test_metrics_table_is_that_of_the_code() -> None:
    assert table("metric") == metric_rows()
    assert len(metric_rows()) > 5


def test_every_command_has_an_example() -> None:
    shell = "\n".join(block.text for block in blocks() if block.kind.startswith("sh")).replace("deploy/", "hub ")
    paths = list(command_paths(hub, "hub"))
    assert len(paths) > 15
    assert [path for path in paths if not re.search(rf"\b{path}\b", shell)] == []


def command_paths(command: click.Command, path: str) -> Iterator[str]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None, name
            yield from command_paths(inner, f"{path} {name}")
    else:
        yield path


def test_every_file_that_is_named_is_there() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    named = re.findall(r"`((?:contracts|deploy|hub|producers|consumers|tests)/[\w./-]*)`", README)
    generated = {"hub/worker.env"}
    assert [path for path in [*linked, *named] if path not in generated and not (ROOT / path).exists()] == []
    assert len(linked) >= 5


@pytest.mark.kafka
def test_what_it_says_the_demo_prints_is_what_the_demo_prints(demo_run: DemoRun) -> None:
    (excerpt,) = (block.text for block in blocks() if block.kind == "text")
    said = demo_run.said.splitlines()
    assert [line for line in excerpt.splitlines() if line not in said] == []


@pytest.mark.kafka
def test_every_command_runs(demo_run: DemoRun, tmp_path: Path) -> None:
    script = tmp_path / "readme.sh"
    script.write_text(readme_as_script(tmp_path), encoding="utf-8")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", script],
        cwd=demo_run.directory,
        env=demo_run.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )
    logs = "".join(f"\n-- {log.name}\n{log.read_text()[-2000:]}" for log in sorted(tmp_path.glob("*.log")))
    assert done.returncode == 0, done.stdout[-6000:] + logs
    assert "views equal, 0 differences" in done.stdout
    assert "Job centre of A.JOB\nCitizens in this view: 1" in done.stdout
    assert "PRI 1  unknown_key" in done.stdout


def readme_as_script(logs: Path) -> str:
    """All shell blocks in order in one shell; services run beside it, are waited for, and must end well."""
    lines = ["services=()", "trap 'kill \"${services[@]}\" 2>/dev/null || true' EXIT"]
    for number, block in enumerate(blocks()):
        if block.kind == "sh service":
            lines += service(block.text, logs / f"service-{number}.log")
        elif block.kind == "sh" and not block.text.startswith(RUN_ELSEWHERE):
            lines += [f"cat <<'SHOWN'\n{block.text}SHOWN", block.text.rstrip()]
    lines += [
        "trap - EXIT",
        'for ((n = ${#services[@]} - 1; n >= 0; n--)); do kill "${services[n]}"; wait "${services[n]}"; done',
    ]
    return "\n".join(lines)


def service(text: str, log: Path) -> list[str]:
    """Run `text` in the background and wait until it says that it is ready."""
    text = text.strip().removeprefix("(").removesuffix(")")
    (ready,) = (words for name, words in READY.items() if text.endswith(name))
    body = textwrap.indent(text if "exec " in text else f"exec {text}", "  ")
    return [
        f"(\n{body}\n) >{log} 2>&1 &",
        "services+=($!)",
        f"for _ in $(seq 300); do grep -q '{ready}' {log} && break; sleep 0.1; done",
        f"grep -q '{ready}' {log}",
    ]

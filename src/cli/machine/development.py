"""test and check: exactly what CI runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    ("python", "-m", "tests.harness.plain_english"),
    ("python", "-m", "tests.harness.folders"),
)
#: test processes: each mostly waits for services, but with more of them, tests wait for each other
PROCESSES_PER_CORE, MOST_PROCESSES = 2, 8
#: the tiers without workers, on SQLite, and one end-to-end test
QUICK = ("--quick", "tests/unit", "tests/sql", "tests/process/test_smoke.py")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.option("--quick", is_flag=True, help="Run unit and sql tests on SQLite, without long ones, and one end-to-end test: two minutes.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(*, quick: bool, arguments: tuple[str, ...]) -> None:
    """Run the tests in several processes; further arguments go to pytest, e.g. ./run test -k cancel --slow."""
    sys.stdout.flush()
    chosen = [*(QUICK if quick else ()), *arguments]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *_side_by_side(arguments), *chosen])


def _side_by_side(arguments: tuple[str, ...]) -> list[str]:
    """Options that distribute the tests over processes by file, unless a test needs the terminal."""
    if any(argument.startswith(("--processes", "--pdb", "--trace", "-s", "--capture")) for argument in arguments):
        return []
    processes = min(PROCESSES_PER_CORE * (os.cpu_count() or 1), MOST_PROCESSES)
    return ["--processes", str(processes), "--figures"]


@click.command()
def check() -> None:
    """Run ruff, mypy, the import contracts, the checks of words and folders; report every failing tool, not only the first."""
    programs = Path(sys.executable).parent
    failed = []
    for tool, *arguments in CHECKS:
        title = " ".join((tool, *arguments))
        click.echo(f"· {title}")
        if subprocess.run([str(programs / tool), *arguments]).returncode != 0:
            failed.append(title)
    if failed:
        click.echo(f"✘ failed: {', '.join(failed)}", err=True)
        raise SystemExit(1)
    click.echo("✔ all checks pass")

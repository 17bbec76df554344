"""test and check: exactly what CI runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))
#: one for each core waits for services most of the time; with more of them than this, tests wait for each other
PROCESSES_PER_CORE, MOST_PROCESSES = 2, 8
#: a test in every tier but faults and browser, and one through every process
QUICK = ("tests/unit", "tests/sql", "tests/process/test_smoke.py")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.option("--quick", is_flag=True, help="Run only the fast tiers and one end-to-end test: 90 seconds.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(*, quick: bool, arguments: tuple[str, ...]) -> None:
    """Pass the tests; everything behind `test` goes to pytest, e.g. ./run test -k cancel --slow. Without a choice: in several processes."""
    sys.stdout.flush()
    chosen = [*(QUICK if quick else ()), *arguments]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *_side_by_side(arguments), *chosen])


def _side_by_side(arguments: tuple[str, ...]) -> list[str]:
    """Options that share all tests among processes, file by file. A choice of some runs them one after the other."""
    if any(argument.startswith(("tests", "-k", "-n", "-x", "--pdb")) for argument in arguments):
        return []
    processes = min(PROCESSES_PER_CORE * (os.cpu_count() or 1), MOST_PROCESSES)
    return ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder", "--figures"]


@click.command()
def check() -> None:
    """Pass ruff, mypy and the import contracts; report every failing tool, not only the first."""
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

"""test and check: exactly what CI runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

#: processes that share the tests, each with a RabbitMQ and a PostgreSQL of its own
MOST_PROCESSES = 4
CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(*, arguments: tuple[str, ...]) -> None:
    """Pass the tests; everything behind `test` goes to pytest, e.g. ./run test -k cancel --slow. Without a choice: in several processes."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *_side_by_side(arguments), *arguments])


def _side_by_side(arguments: tuple[str, ...]) -> list[str]:
    """Options that share all tests among the cores: most of them wait for real services. Who chooses some wants them one after the other."""
    if any(argument.startswith(("tests", "-k", "-n", "-x", "--pdb")) for argument in arguments):
        return []
    # Whole files, in their order: those of a folder share running commands, which end with its last file. Each process has its own
    # RabbitMQ and PostgreSQL.
    return ["-n", str(min(os.cpu_count() or 1, MOST_PROCESSES)), "--dist", "loadfile", "--no-loadscope-reorder"]


@click.command()
def check() -> None:
    """Pass ruff, mypy and the import contracts; every failing tool is told, not only the first."""
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

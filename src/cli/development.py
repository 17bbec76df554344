"""test and check: exactly what CI runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

CHECKS = (("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",), ("lint-imports",))


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def test(*, arguments: tuple[str, ...]) -> None:
    """Pass the tests; everything behind `test` goes to pytest, e.g. ./run test -k cancel --slow."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])


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

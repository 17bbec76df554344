"""logs, doctor, config: inspect a Callboard without changing it."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import click

from ...settings import Settings
from ...up import doctor as examination
from ...up.data import configuration
from ...up.data.log_files import LogFile, last_lines, readable
from ...up.errors import UpError
from ..shared.data_folder import data_option, open_folder


@click.command()
@click.argument("role", required=False)
@click.option("-n", "count", default=20, show_default=True, help="Number of lines per log.")
@click.option("-f", "follow", is_flag=True, help="Follow until Ctrl-C.")
@data_option
def logs(*, role: str | None, count: int, follow: bool, data: Path | None) -> None:
    """Show the last log lines of each process, or of one ROLE: web, worker, scheduler, broker, up."""
    folder, _ = open_folder(data)
    paths = sorted(folder.logs.glob("*.log")) + [
        path for path in sorted((folder.broker / "log").glob("callboard*.log")) if "upgrade" not in path.name
    ]
    chosen = {("broker" if path.parent.parent == folder.broker else path.stem): path for path in paths}
    found = sorted(chosen)
    if role:
        chosen = {name: path for name, path in chosen.items() if name.startswith(role)}
    if role and not chosen:
        there = f" There are those of {', '.join(found)}." if found else ""
        raise UpError(f"There is no log of {role} in {folder.logs}.{there}")
    if not chosen:
        click.echo(f"No log in {folder.logs}.")
    for name, path in chosen.items():
        for line in last_lines(path, count):
            click.echo(f"{name:<11}│ {line}")
    files = {name: LogFile(path) for name, path in chosen.items()}
    with suppress(KeyboardInterrupt):
        while follow:
            for name, file in files.items():
                for line in file.new_lines():
                    click.echo(f"{name:<11}│ {readable(line)}")
            time.sleep(0.3)  # poll interval; ends with Ctrl-C


@click.command()
@data_option
def doctor(*, data: Path | None) -> None:
    """Check this machine and its configuration, and say what to fix. Exit code 1 if a fix is needed."""
    findings = examination.examine(data)
    for finding in findings:
        click.echo(f"{'✔' if finding.ok else '✘'} {finding.what}")
        if finding.cure:
            click.echo(f"    {finding.cure}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


@click.command()
@data_option
def config(*, data: Path | None) -> None:
    """Show every setting with its value and source. Secrets are hidden."""
    origins = {name: configuration.origin(name) for name in Settings.model_fields}
    folder, settings = open_folder(data)
    if data is not None:
        origins["data_dir"] = "--data"
    for name, field in Settings.model_fields.items():
        value = configuration.masked(name, folder.path if name == "data_dir" else getattr(settings, name))
        click.echo(f"CALLBOARD_{name.upper():<20} {value or '(empty)':<32} {origins[name]:<16} {field.description}")
    for complaint in configuration.unknown_variables():
        click.echo(f"· {complaint}")

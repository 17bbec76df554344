"""demo: a small shop that lives, with a week of history, in a data folder of its own."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ... import COMMAND
from ...configuration.kept_secrets import kept_secret
from ...settings import get_settings, of_file
from ...up.data.data_folder import Folder
from ...up.errors import UpError
from ...up.locations import PACKAGE, ROOT
from ...up.parts.apart import Apart
from ..shared.data_folder import report
from .up import Special, start

FOLDER = ".callboard-demo"
#: modules of the shop
ACTORS = f"{PACKAGE}.demo.shop,{PACKAGE}.demo.shop_console"
#: services and addresses that the demo must not share with another installation
OWN = ("broker_url", "smtp_url", "public_url", "management_public_url")
#: entries of any data folder in use; one of services has no `state.json`
KEPT = ("callboard.db", "secret_key", "admin_password", "results", "uploads", "backups")


@click.command()
@click.option("--detach", "detached", is_flag=True, help="Run in the background: return when everything is ready.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help=f"Data folder; default: {FOLDER}.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the web front end; default: first free port from 8000.")
@click.option("--logs", is_flag=True, help="Print the log lines of all processes; they are in files in any case.")
def demo(*, detached: bool, data: Path | None, port: int | None, logs: bool) -> None:
    """Start a small shop with a week of history, beside a normal ./run up and without touching it."""
    folder = data or _usual_folder()
    path = Path(os.environ.get("CALLBOARD_CALLED_FROM", "."), folder).resolve()
    _keep_apart(Folder(path))
    hints = (
        f"try: {COMMAND} jobs --data {folder} state:dead   then Errors, and retry the declined cards",
        f"end: {COMMAND} down --data {folder}   delete: {COMMAND} reset --backups --data {folder}",
    )
    start(detached=detached, data=folder, port=port, workers=1, watch=False, logs=logs, special=Special(_prepare, hints))


def _keep_apart(folder: Folder) -> None:
    """Keep the demo's variables in its folder: all commands on it use them. Raises UpError for the folder of another Callboard."""
    if not folder.variables() and _is_of_another(folder):
        raise UpError(
            f"{folder.path} is the data folder of another Callboard.\nGive the demo one of its own:  {COMMAND} demo --data {FOLDER}"
        )
    folder.prepare()
    folder.keep_variables(own_variables(folder.path))


def _is_of_another(folder: Folder) -> bool:
    if folder.state_file.exists():
        return folder.read_state().actors != ACTORS
    return folder.is_used() or any((folder.path / name).exists() for name in KEPT)


def own_variables(path: Path) -> dict[str, str]:
    """The variables that keep the demo in its folder, whatever another installation has set: its scheduler deletes files without a job."""
    return {
        "CALLBOARD_ACTORS": ACTORS,
        "CALLBOARD_DATABASE_URL": of_file(path / "callboard.db"),
        "CALLBOARD_RESULTS_DIR": str(path / "results"),
        "CALLBOARD_UPLOADS_DIR": str(path / "uploads"),
        "CALLBOARD_BACKUP_DIR": str(path / "backups"),
        "CALLBOARD_SECRET_KEY": kept_secret(path / "secret_key"),
        "CALLBOARD_METRICS_PORT": "0",  # else it could take the port that a monitoring system reads
        "OTEL_SDK_DISABLED": "true",
    }


def _usual_folder() -> Path:
    """The folder beside `run`, as the caller would write it."""
    is_here = Path(os.environ.get("CALLBOARD_CALLED_FROM", ".")).resolve() == ROOT.resolve()
    return Path(FOLDER) if is_here else ROOT / FOLDER


def _prepare() -> None:
    """Write the history of a new demo. Raises UpError if it would share its services."""
    if shared := [name for name in OWN if name in get_settings().model_fields_set]:
        names = " and ".join(f"CALLBOARD_{name.upper()}" for name in shared)
        raise UpError(f"{names} is set, and the demo would share it with your jobs.\nUnset it for the demo, or move .env away meanwhile.")
    call = Apart(_open_shop)
    while not call.is_over(1.0):
        pass
    if number := call.result():
        report(f"{number:,} jobs of the last week are written")


def _open_shop() -> int:
    from ... import migrations  # in the child: the supervisor does without

    migrations.migrate()
    from ...demo.opening import open_shop

    return open_shop()

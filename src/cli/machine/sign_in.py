"""sign-in: a new one-time link for the administrator."""

from __future__ import annotations

from pathlib import Path

import click

from ... import COMMAND
from ...up.verbs import front_door
from ..shared.data_folder import data_option, join, open_folder


@click.command("sign-in")
@data_option
@click.option("--url", help=f"URL of the web front end; default: CALLBOARD_PUBLIC_URL, or that of {COMMAND} up.")
def sign_in(*, data: Path | None, url: str | None) -> None:
    """Print a one-time sign-in link for the administrator (and, the first time, the password)."""
    settings = join(data)
    folder, _ = open_folder(data)
    password = front_door.ensure_admin()
    if password:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.keep_admin_password(password)
        click.echo(f"user admin, password {password}   (stored in {folder.admin_password})")
    if folder.variables():  # as the demo's: a public URL is that of another installation
        settings = settings.model_copy(update={"public_url": ""})
    running = "" if settings.public_url else folder.read_state().url
    click.echo(front_door.one_time_link(url or running or settings.effective_public_url))

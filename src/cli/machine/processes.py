"""web, worker, scheduler, mailbox, migrate: one process in the foreground, for systemd, containers and `./run up` itself."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import click

from ...settings import Settings
from ...up.data.data_folder import Folder
from ...up.data.process_identity import MARK
from ...up.errors import UpError
from ...up.locations import PACKAGE
from ...up.parts import launch, warm
from ..shared.data_folder import join


@click.command()
def web() -> None:
    """Serve the web front end and the API."""
    _begin()
    _load_actors()
    if MARK not in os.environ:  # ./run up has migrated the database
        from ... import migrations  # imported late: processes of ./run up start faster without it

        if problem := migrations.problem():
            raise UpError(problem)
    warm.become([sys.executable, "-m", "gunicorn", "-c", f"python:{PACKAGE}.up.gunicorn_conf", f"{PACKAGE}.web:create_app()"])


@click.command()
@click.option("--threads", type=click.IntRange(1, 256), help="Actor threads; default: CALLBOARD_THREADS or 8.")
@click.option("--queues", "-Q", help="Only these queues, comma separated; default: all.")
def worker(*, threads: int | None, queues: str | None) -> None:
    """Run jobs, in this one process; `dramatiq src.actors -p N` runs several."""
    settings = _begin()
    _load_actors()
    from ... import actors
    from ...broker.process import single  # imported late: only this process needs it

    chosen = threads or settings.threads
    if single.can_run(actors.broker):
        listened = queues.split(",") if queues else ()
        single.run(actors.broker, threads=chosen, queues=listened, shutdown_timeout_s=settings.shutdown_timeout)
        return
    dramatiq = str(Path(sys.executable).with_name("dramatiq"))
    command = [sys.executable, dramatiq, f"{PACKAGE}.actors", "-p", "1", "-t", str(chosen), "--skip-logging"]
    command += ["--worker-shutdown-timeout", str(int(settings.shutdown_timeout * 1000))]
    if queues:
        command += ["-Q", *queues.split(",")]
    warm.become(command)


@click.command()
def scheduler() -> None:
    """Run the schedules and a relay that publishes due and unpublished jobs. Any number may run."""
    _begin()
    from ...scheduling import clock  # imported late: only this process needs APScheduler

    clock.main()


@click.command()
@click.option("--host", help="Address to listen on; default: from CALLBOARD_SMTP_URL.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; default: from CALLBOARD_SMTP_URL.")
def mailbox(*, host: str | None, port: int | None) -> None:
    """Run the built-in mailbox: accept mail for CALLBOARD_SMTP_URL and show it in the console. For hosts without a mail server."""
    settings = _begin()
    from ...mail import catcher  # imported late: only this process needs an SMTP server
    from ...mail.errors import NoMailServer
    from ...mail.smtp import MailServer

    try:
        server = MailServer.parse(settings.smtp_url)
    except NoMailServer as error:
        raise UpError(str(error)) from None
    if server.user != catcher.USER or not server.password:
        raise UpError(
            f"The mailbox requires user {catcher.USER} with a password.\nSet CALLBOARD_SMTP_URL=smtp://{catcher.USER}:PASSWORD@127.0.0.1:2525"
        )
    handed_over = os.environ.get(launch.MAILBOX_FD)
    listener = socket.socket(fileno=int(handed_over)) if handed_over else None
    catcher.main(host or server.host, port or server.port, password=server.password, listener=listener)


@click.command()
def migrate() -> None:
    """Migrate the database to the latest schema."""
    settings = join()
    from ... import migrations  # imported late: settings errors are reported first
    from ...up.data.configuration import masked

    try:
        migrations.migrate()
    except migrations.MigrationRefused as error:
        raise UpError(str(error)) from None
    click.echo(f"The database {masked('database_url', settings.effective_database_url)} is at the latest schema.")


def _begin() -> Settings:
    """Connect this process, and hold its data folder against a reset."""
    settings = join()
    Folder(settings.data_dir).use()
    return settings


def _load_actors() -> None:
    """Raise UpError with the line at fault: Dramatiq and gunicorn print a long traceback of their own for it."""
    if MARK not in os.environ:  # ./run up has loaded them
        from ...up.parts.actor_loading import load_actors  # here: a part of ./run up starts faster without

        load_actors()

"""celery: the group of Celery's commands, with the options that come before them."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import click

from ... import __version__
from ...up.errors import UpError
from ..shared.data_folder import data_option
from . import calling, control, inspecting, processes
from .commands_table import COMMANDS
from .options import refuse, without_counterpart
from .running import enter_application, run, say


class _Commands(click.Group):
    """Commands with a counterpart; one without is refused with the cure."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = super().get_command(ctx, name)
        if found is None and name in COMMANDS:
            raise refuse(name)
        return found


@click.group(cls=_Commands)
@click.option("--app", "-A", envvar="APP", help="Application: proj, proj.celery or proj.celery:app.")
@click.option("--broker", "-b", envvar="BROKER_URL", help="Must be the broker of CALLBOARD_BROKER_URL, unless that is unset.")
@click.option("--workdir", type=click.Path(path_type=Path), help="Folder of the application's module.")
@without_counterpart("celery")
@click.version_option(__version__, message="%(version)s (callboard)")
@data_option
def celery(*, app: str | None, broker: str | None, workdir: Path | None, data: Path | None) -> None:
    """Celery's commands on Callboard. Each reports on standard error which verb it runs."""
    enter_application(app, workdir, data)
    if broker:
        _follow(broker)


@celery.command()
def report() -> None:
    """Print versions and settings."""
    click.echo(f"software -> callboard:{__version__} dramatiq:{version('dramatiq')} py:{platform.python_version()}")
    click.echo(f"platform -> system:{platform.system()} arch:{platform.machine()} imp:{platform.python_implementation()}")
    run("config")


@celery.command("list")
@click.argument("what", type=click.Choice(["bindings"]), default="bindings")
def list_bindings(*, what: str) -> None:
    """List the queues that tasks and actors declare."""
    say("top", "--once")
    from ...operations.jobs import actor_catalogue

    for queue in actor_catalogue.queues():
        click.echo(f"{queue:<28} {queue:<28} {queue}")


@celery.command()
def events() -> None:
    """Show queues, running jobs and workers, live."""
    run("top")


@celery.command()
def shell() -> None:
    """Start Python with the tasks by name."""
    run("shell")


def _follow(url: str) -> None:
    from ...celery.conf import broker_url
    from ...celery.exceptions import ImproperlyConfigured

    try:
        broker_url.follow(url)
    except ImproperlyConfigured as error:
        raise UpError(str(error)) from None


for _command in (
    processes.worker, processes.beat, calling.call, calling.result, calling.purge, inspecting.inspect, inspecting.status, control.control,
):  # fmt: skip
    celery.add_command(_command)

"""shell: Python with the actors loaded, connected to the running Callboard of the data folder."""

from __future__ import annotations

import code
import importlib.util
import sys
from pathlib import Path
from typing import Any

import click

from ...formats.quantities import counted
from ..shared.data_folder import data_option, join

_NAMES = "add.send(1, 2)   job(ID)   submit(session, add.message(1, 2))   with write() as session: …   session = Session()   broker"


@click.command()
@click.option("-c", "program", help="Run this code and exit, like python -c.")
@data_option
def shell(*, program: str | None, data: Path | None) -> None:
    """Start Python, or IPython if it is installed, with all actors, `submit`, `job`, `read`, `write`, `Session` and `broker` of ./run up."""
    settings = join(data)
    from ... import actors
    from ...broker import job
    from ...jobs import current_job, submit
    from ...sql.database import get_database, read, write
    from ...up.data.configuration import masked

    names = {
        **{name: actor for name, actor in actors.broker.actors.items() if name.isidentifier()},
        "actors": actors, "broker": actors.broker, "read": read, "write": write, "Session": get_database().session,
        "submit": submit, "job": job, "current_job": current_job,
    }  # fmt: skip
    try:
        if program is not None:
            exec(compile(program, "<-c>", "exec"), names)
            return
        if not sys.stdin.isatty():
            exec(compile(sys.stdin.read(), "<stdin>", "exec"), names)
            return
        url = masked("database_url", settings.effective_database_url)
        _prompt(
            f"Callboard: {url}, {masked('broker_url', settings.broker_url)}\n{_NAMES}   {counted(len(actors.broker.actors), 'actor')} by name",
            names,
        )
    finally:
        actors.broker.close()  # flush messages to RabbitMQ; if that fails, the relay publishes the rows


def _prompt(banner: str, names: dict[str, Any]) -> None:
    if importlib.util.find_spec("IPython") is not None:
        import IPython

        click.echo(banner)
        IPython.start_ipython(argv=["--no-banner"], user_ns=names)
    else:
        import readline
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")
        code.interact(banner, local=names, exitmsg="")

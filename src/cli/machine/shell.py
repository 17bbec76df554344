"""shell: Python with the actors loaded, connected to the running Callboard of the data folder."""

from __future__ import annotations

import code
import sys
from pathlib import Path

import click

from ..shared.data_folder import data_option, join


@click.command()
@click.option("-c", "program", help="Run this code and exit, like python -c.")
@data_option
def shell(*, program: str | None, data: Path | None) -> None:
    """Start Python with all actors, `submit`, `read`, `write` and `job`, connected to the broker and database of ./run up."""
    settings = join(data)
    from ... import actors
    from ...jobs import current_job, submit
    from ...jobs.read import queries
    from ...sql.database import read, write
    from ...up.data.configuration import masked

    def job(id: str) -> object:
        """The job with this id or prefix."""
        with read() as session:
            return queries.find(session, id)

    names = {
        **{name: actor for name, actor in actors.broker.actors.items() if name.isidentifier()},
        "actors": actors, "broker": actors.broker, "read": read, "write": write, "submit": submit, "job": job, "current_job": current_job,
    }  # fmt: skip
    try:
        if program is not None:
            exec(compile(program, "<-c>", "exec"), names)
            return
        if sys.stdin.isatty():
            import readline
            import rlcompleter

            readline.set_completer(rlcompleter.Completer(names).complete)
            readline.parse_and_bind("tab: complete")
        url = masked("database_url", settings.effective_database_url)
        banner = f"Callboard: {url}, {masked('broker_url', settings.broker_url)}\nadd.send(1, 2)   job(ID)   {len(actors.broker.actors)} actors by name"
        code.interact(banner, local=names, exitmsg="")
    finally:
        actors.broker.close()  # flush messages to RabbitMQ; if that fails, the relay publishes the rows

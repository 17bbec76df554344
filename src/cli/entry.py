"""Entry of the command line: finds the verb, and reports errors as messages."""

from __future__ import annotations

import errno
import importlib
import re
import sys
from collections.abc import Sequence
from io import TextIOWrapper

import click

from .. import COMMAND, __version__
from ..importing import keep_output
from ..operations.format.terminal_text import visible
from ..up.errors import UpError
from ..up.locations import PACKAGE
from ..up.parts.actor_loading import loading_problem
from . import COMPLETE_VARIABLE, VERBS
from .groups import Suggesting

#: errors of the machine that an operator can fix; any other exception is a bug and shows its traceback
REFUSALS = {
    errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG,
}  # fmt: skip

#: bytes of an argument that Python could not decode
_UNDECODED = re.compile("[\udc80-\udcff]")


class Verbs(Suggesting):
    """Load each command's module only when it is called, so that a worker does not import what a supervisor needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command = getattr(importlib.import_module(f"{__package__}.{VERBS[name]}"), name.replace("-", "_"))
        assert isinstance(command, click.Command)
        for each in (command, *(command.commands.values() if isinstance(command, click.Group) else ())):
            each.help = (each.help or "").replace("./run", COMMAND).replace("src.", f"{PACKAGE}.")  # docstrings cannot have them
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="callboard")
def cli() -> None:
    """Callboard: background jobs for Python teams on RabbitMQ."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command line, by default that of this process; report what cannot be done as a message, not as a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 gets ? for ✔ instead of a traceback
    keep_output()
    try:
        cli(None if arguments is None else list(arguments), prog_name=COMMAND, complete_var=COMPLETE_VARIABLE)
    except UpError as error:
        click.echo(visible(f"✘ {error}"), err=True)
        sys.exit(error.exit_code)
    except UnicodeEncodeError as error:
        if not _UNDECODED.search(str(error.object)):
            raise
        click.echo(f"✘ {str(error.object)!a:.80} is not UTF-8: names and paths are text in UTF-8.", err=True)
        sys.exit(1)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        click.echo(
            f"✘ The system refused: {error.strerror}{f': {error.filename}' if error.filename else ''}\nLook at space and rights:  {COMMAND} doctor",
            err=True,
        )
        sys.exit(1)
    except Exception as error:
        if (problem := loading_problem(error) or _database_problem(error)) is None:
            raise
        click.echo(visible(f"✘ {problem}"), err=True)
        sys.exit(1)


def _database_problem(error: Exception) -> str | None:
    if "sqlalchemy" not in sys.modules:  # importing it takes a third of a second
        return None
    from sqlalchemy.exc import DBAPIError

    from ..up.checks.database_problems import problem_of

    return problem_of(error) if isinstance(error, DBAPIError) else None

"""completion: what a shell needs to complete verbs, options, actors and their arguments."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ...up.locations import COMMAND
from .. import COMPLETE_VARIABLE


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the completion script of SHELL. For bash:  eval "$(./run completion bash)"

    It completes ./run as it is typed, in the folder of this script; a file in your shell's completion folder keeps it.
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(click.Group(), {}, COMMAND, COMPLETE_VARIABLE).source())

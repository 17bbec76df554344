"""completion: shell completion of verbs, options, actors and their arguments."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from ... import COMMAND
from .. import COMPLETE_VARIABLE


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the completion script of SHELL. For bash:  eval "$(./run completion bash)"

    It completes ./run in this folder. To keep it, save the script in your shell's completion folder.
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(click.Group(), {}, COMMAND, COMPLETE_VARIABLE).source())

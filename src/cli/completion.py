"""completion: what a shell needs to complete verbs, options, actors and their arguments."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from src.cli import COMPLETE_VARIABLE


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(*, shell: str) -> None:
    """Print the completion script of SHELL. For bash:  eval "$(./run completion bash)"

    It completes ./run as it is typed, in the folder of this script; a file in your shell's completion folder keeps it.
    """
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(click.Group(), {}, "./run", COMPLETE_VARIABLE).source())


def actors_like(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The actors whose name begins so, with what they do."""
    from src.broker.signature import Signature
    from src.web import catalogue

    found = [actor for actor in catalogue.entries() if actor.actor_name.startswith(incomplete)]
    return [CompletionItem(actor.actor_name, help=Signature.of(actor).title) for actor in found]


class OfActor(click.Command):
    """A verb whose options are its own and the arguments of the actor that it names."""

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*(_arguments(ctx, incomplete) if incomplete.startswith("-") else ()), *super().shell_complete(ctx, incomplete)]


def _arguments(context: click.Context, incomplete: str) -> list[CompletionItem]:
    from src.broker.signature import Signature
    from src.jobs import JobsError
    from src.web import catalogue

    try:
        signature = Signature.of(catalogue.find(context.params.get("actor") or ""))
    except JobsError:
        return []
    properties = signature.json_schema()["properties"]
    names = {f"--{name}": str(each.get("description") or each.get("title") or "") for name, each in properties.items()}
    return [CompletionItem(name, help=text) for name, text in names.items() if name.startswith(incomplete)]

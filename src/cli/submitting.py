"""A verb whose options are its own and the arguments of the actor that it names: their help, and what a shell completes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from src.cli import arguments

if TYPE_CHECKING:
    from src.web.forms import Field


class OfActor(click.Command):
    """`./run submit ACTOR`: with ACTOR, --help tells of that actor."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        actor = ctx.meta.get(_ACTOR)
        if not actor:
            super().format_help(ctx, formatter)
            return
        form = arguments.form_of(actor)
        formatter.write_usage(ctx.command_path, " ".join([actor, arguments.usage(form.fields), "[OPTIONS]"]).replace("  ", " "))
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text("\n\n".join(text for text in (form.signature.title + ".", form.signature.help) if text))
        if form.fields:
            with formatter.section(f"Arguments of {actor}"):
                formatter.write_dl(arguments.rows(form.fields), col_max=34)
        self.format_options(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # --help is obeyed before anything else is known: what it is to tell of is looked up beforehand.
        ctx.meta[_ACTOR] = next((value for value in _positional(self, ctx, args)), "")
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*(_options(ctx, incomplete) if incomplete.startswith("-") else ()), *super().shell_complete(ctx, incomplete)]


_ACTOR = "callboard.actor"


def actors_like(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The actors whose name begins so, with what they do."""
    from src.broker.signature import Signature
    from src.web import catalogue

    found = [actor for actor in catalogue.entries() if actor.actor_name.startswith(incomplete)]
    return [CompletionItem(actor.actor_name, help=Signature.of(actor).title) for actor in found]


def values_like(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The choices of the argument that was typed last."""
    last = next(reversed(context.params.get("arguments") or ()), "")
    for each in _fields(context):
        if last == f"--{each.name}":
            return [CompletionItem(choice.text) for choice in each.choices if choice.text.startswith(incomplete)]
    return []


def _options(context: click.Context, incomplete: str) -> list[CompletionItem]:
    given = set(context.params.get("arguments") or ())
    found = []
    for each in _fields(context):
        names = [f"--{each.name}", *([f"--no-{each.name}"] if each.kind == "checkbox" else [])]
        several = each.kind in ("lines", "checkboxes", "files")
        if several or not given.intersection(names):
            found += [CompletionItem(name, help=each.hint or each.label) for name in names if name.startswith(incomplete)]
    return found


def _fields(context: click.Context) -> list[Field]:
    from src.up.errors import UpError

    try:
        return list(arguments.options(arguments.form_of(context.params.get("actor") or "").fields))
    except UpError:  # no such actor: nothing to complete
        return []


def _positional(command: click.Command, ctx: click.Context, args: list[str]) -> list[str]:
    """The words of a line that belong to no option."""
    try:
        found, _, _ = command.make_parser(ctx).parse_args(list(args))
    except click.UsageError:  # told by whoever parses it in earnest
        return []
    return [found["actor"]] if isinstance(found.get("actor"), str) else []

"""Click command for verbs that take an actor's arguments as options: parsing, help and completion."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from . import actor_arguments
from .data_folder import enter

if TYPE_CHECKING:
    from ...operations.arguments.field import Field


class OfActor(click.Command):
    """Command whose last leading argument names an actor: later options with a parameter's name set that parameter.

    The verb's own option of the same name goes before the actor: `./run submit --timeout 5 fetch --timeout 30`.
    """

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        actor = ctx.meta.get(_ACTOR)
        if not actor:
            super().format_help(ctx, formatter)
            return
        known = actor_arguments.arguments_of(actor)
        formatter.write_usage(ctx.command_path, " ".join([actor, actor_arguments.usage(known.fields), "[OPTIONS]"]).replace("  ", " "))
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text("\n\n".join(text for text in (known.signature.title + ".", known.signature.help) if text))
        if known.fields:
            with formatter.section(f"Arguments of {actor}"):
                formatter.write_dl(actor_arguments.rows(known.fields), col_max=34)
        self.format_options(ctx, formatter)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = [] if ctx.resilient_parsing else self._leading(ctx, args)
        if named:
            args = self._separated(ctx, args[: named[-1] + 1], args[named[-1] + 1 :])
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        return [*(_options(ctx, incomplete) if incomplete.startswith("-") else ()), *super().shell_complete(ctx, incomplete)]

    def fields(self, ctx: click.Context, named: str) -> list[Field]:
        """The fields of the named actor."""
        ctx.meta[_ACTOR] = named
        return actor_arguments.arguments_of(named).fields

    def _leading(self, ctx: click.Context, args: list[str]) -> list[int]:
        """Positions of the leading arguments; empty: some are missing."""
        wanted = sum(isinstance(each, click.Argument) and each.nargs == 1 for each in self.params)
        options, places, at = self._by_name(ctx), list[int](), 0
        while at < len(args) and len(places) < wanted:
            if args[at].startswith("-"):
                at += _words(options.get(args[at].partition("=")[0]), args[at])
                continue
            places.append(at)
            at += 1
        return places if len(places) == wanted else []

    def _separated(self, ctx: click.Context, lead: list[str], rest: list[str]) -> list[str]:
        """The words, with the actor's options moved behind `--`."""
        options, environment = self._by_name(ctx), dict(os.environ)
        folder = _data(lead) or _existing(_data(rest))
        enter(folder)
        line = sys.orig_argv[: len(sys.orig_argv) - len(lead) - len(rest)]
        theirs = {each.name for each in actor_arguments.options(self.fields(ctx, lead[-1]))}
        own, others = list[str](), list[str]()
        while rest:
            word = rest.pop(0)
            if word == "--":
                others += rest
                break
            name = word.partition("=")[0]
            if name in options and name[2:].replace("-", "_") not in theirs:
                number = _words(options[name], word)
                own += [word, *rest[: number - 1]]
                del rest[: number - 1]
            else:
                others.append(word)
        if folder is not None and _data(lead) is None and _data(own) is None:
            # --data was an argument of the actor, not the data folder: start again without it.
            os.execve(sys.executable, [*line, *lead, *own, "--", *others], environment)
        return [*lead, *own, "--", *others]

    def _by_name(self, ctx: click.Context) -> dict[str, click.Option]:
        return {
            name: each for each in self.get_params(ctx) if isinstance(each, click.Option) for name in (*each.opts, *each.secondary_opts)
        }


def _words(option: click.Option | None, word: str) -> int:
    """Number of words of an option including its value."""
    return 1 if option is None or option.is_flag or option.count or "=" in word else 2


def _data(words: list[str]) -> Path | None:
    """The value of --data among these words."""
    for number, word in enumerate(words):
        name, given, value = word.partition("=")
        if word == "--":
            return None
        if name == "--data" and (given or number + 1 < len(words)):
            return Path(value if given else words[number + 1])
    return None


def _existing(folder: Path | None) -> Path | None:
    return folder if folder is not None and Path(os.environ.get("CALLBOARD_CALLED_FROM", "."), folder).is_dir() else None


class OfJob(OfActor):
    """Variant for verbs whose argument is a job: uses the job's actor."""

    def fields(self, ctx: click.Context, named: str) -> list[Field]:
        from ... import actors
        from ...actor_schema.signature import Signature
        from ...jobs import JobsError
        from ...operations.arguments.fields import fields_of
        from ...operations.jobs import actor_catalogue
        from ...sql import database
        from .calls import find

        del actors  # loading them makes the job's actor known
        try:
            with database.read() as session:
                return fields_of(Signature.of(actor_catalogue.find(find(session, named).actor or "")))
        except JobsError:  # the verb reports the unknown job or actor
            return []


_ACTOR = "callboard.actor"


def actors_like(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete actor names, with their titles."""
    from ...actor_schema.signature import Signature
    from ...operations.jobs import actor_catalogue

    found = [actor for actor in actor_catalogue.entries() if actor.actor_name.startswith(incomplete)]
    return [CompletionItem(actor.actor_name, help=Signature.of(actor).title) for actor in found]


def values_like(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the choices of the last option."""
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
    from ...up.errors import UpError

    try:
        return list(actor_arguments.options(actor_arguments.arguments_of(context.params.get("actor") or "").fields))
    except UpError:  # unknown actor: nothing to complete
        return []

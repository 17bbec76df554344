"""Parameters of an actor as command-line options: parsing, --help and shell completion."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import click
from werkzeug.datastructures import MultiDict

from ...up.errors import UpError, WrongCommandLine
from .data_folder import beside_caller

if TYPE_CHECKING:
    from ...actor_schema.signature import Signature
    from ...operations.arguments.field import Field

#: values of a flag
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
#: maximum choices listed in help; above it, help shows their number
CHOICES = 12
_VALUES = {
    "decimal": "DECIMAL", "date": "YYYY-MM-DD", "instant": "YYYY-MM-DDTHH:MM", "time": "HH:MM", "password": "SECRET", "json": "JSON", "group": "JSON", "rows": "JSON",
    "file": "PATH", "files": "PATH",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ActorArguments:
    """An actor's signature, with a field for each parameter."""

    signature: Signature
    fields: list[Field]


def arguments_of(actor: str) -> ActorArguments:
    """The arguments of an actor; raises UpError for an unknown one."""
    from ...actor_schema.signature import Signature
    from ...jobs.core.errors import UnknownActor
    from ...operations.arguments.fields import fields_of
    from ...operations.jobs import actor_catalogue

    try:
        signature = Signature.of(actor_catalogue.submittable(actor))
    except UnknownActor as error:
        raise UpError(str(error)) from None
    return ActorArguments(signature, fields_of(signature))


def read_arguments(fields: Sequence[Field], arguments: Sequence[str]) -> dict[str, Any]:
    """Parse `--total 100`, `--total=100`, `--flag`, `--no-flag`, `--group.field 5` into values by parameter; UpError names the invalid option."""
    from ...operations.arguments.reading import read

    reading = read(fields, texts(arguments, {each.name: each for each in options(fields)}))
    if reading.errors:
        raise UpError("\n".join(f"--{name}: {text}" for name, text in reading.errors.items()))
    return reading.values


def call_of(
    actor: ActorArguments, arguments: Sequence[str], by_position: str | None, by_name: str | None
) -> tuple[list[Any], dict[str, Any]]:
    """Merge the arguments of --args, --kwargs and the actor's options."""
    args, kwargs = _json("--args", by_position, []), _json("--kwargs", by_name, {})
    values = read_arguments(actor.fields, arguments)
    if not values:
        return args, kwargs
    given = actor.signature.bind(args, kwargs)
    twice = [name for name in values if name in given]
    if twice:
        raise UpError("\n".join(f"--{name}: given twice, also in --args or --kwargs." for name in twice))
    return actor.signature.arrange(given | values)


def _json(option: str, text: str | None, otherwise: Any) -> Any:
    """Parse an option with JSON of the same type as `otherwise`; UpError words the error."""
    if text is None:
        return otherwise
    from ...jobs.core import values

    try:
        value = values.loads(text, constants=True)  # a copied command has NaN and Infinity
    except (ValueError, RecursionError) as error:
        raise UpError(f"{option}: not valid JSON: {error}.") from None
    if type(value) is not type(otherwise):
        raise UpError(
            f"{option} takes a JSON {'list' if otherwise == [] else 'object'}, e.g. {'[1, 2]' if otherwise == [] else json.dumps({'x': 1})}."
        )
    return value


def options(fields: Sequence[Field]) -> Iterator[Field]:
    """The fields with an option, including those within groups."""
    for each in fields:
        yield each
        yield from options(each.children)


def texts(arguments: Sequence[str], known: dict[str, Field]) -> MultiDict[str, str]:
    """Convert the words of a command line to form values."""
    from ...operations.arguments.field import LINE

    sent: MultiDict[str, str] = MultiDict()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if not word.startswith("--"):
            raise WrongCommandLine(f"{word!r} belongs to no argument. Write --NAME {word}; the names are: {', '.join(known) or '(none)'}.")
        option, given, value = word.partition("=")
        name, negated = _named(option, known)
        each = known[name]
        if each.kind == "checkbox":
            _flag(sent, name, negated, value if given else rest.pop(0) if rest and rest[0].lower() in WORDS else "")
            continue
        if not given:
            if not rest or rest[0].startswith("--"):
                raise WrongCommandLine(f"{option} needs a value: {option} {value_of(each)}  (empty: {option}=)")
            value = rest.pop(0)
        if each.kind == "password" and value == "-":
            value = _secret(option, each.label)
        if each.is_file:
            value = _uploaded(option, value)
        if name not in sent or each.kind in ("lines", "checkboxes", "files"):
            sent.add(name, value)
        else:
            raise WrongCommandLine(f"{option} is given twice but takes one value.")
    for name in [name for name in sent if name in known and known[name].kind == "lines" and sent.getlist(name) != [""]]:
        sent.setlist(name + LINE, sent.poplist(name))
    return sent


def usage(fields: Sequence[Field]) -> str:
    """The usage line of the arguments."""
    return " ".join(word if each.required else f"[{word}]" for each in fields for word in [_option(each)])


def rows(fields: Sequence[Field]) -> list[tuple[str, str]]:
    """The options of the arguments with their help texts."""
    return [(_option(each), _help(each)) for each in options(fields)]


def value_of(each: Field) -> str:
    """The metavar of a field."""
    if each.choices and len(each.choices) <= CHOICES:
        return "|".join(choice.text for choice in each.choices)
    if each.kind == "number":
        return "INTEGER" if each.attributes.get("inputmode") == "numeric" else "NUMBER"
    return _VALUES.get(each.kind, "CHOICE" if each.choices else "TEXT")


def _option(each: Field) -> str:
    return f"--{each.name} / --no-{each.name}" if each.kind == "checkbox" else f"--{each.name} {value_of(each)}"


def _help(each: Field) -> str:
    own_label = each.label.lower() != each.own_name.replace("_", " ").strip().lower()
    words = [f"{each.label}." if own_label else "", each.hint.replace("One per line.", "Repeat it for several values.")]
    if each.kind in ("checkboxes", "files"):
        words.append("Repeat it for several values.")
    if each.kind == "password":
        words.append("A single - prompts for it, or reads a line from a pipe, which keeps it out of process lists and shell history.")
    if each.choices and len(each.choices) > CHOICES:
        words.append(f"One of {len(each.choices)}: {', '.join(choice.text for choice in each.choices[:CHOICES])}, …")
    low, high = each.attributes.get("min"), each.attributes.get("max")
    notes = [f"{'' if low is None else f'{low}<='}x{'' if high is None else f'<={high}'}" if (low, high) != (None, None) else ""]
    notes += [f"at most {each.attributes['maxlength']} characters"] if "maxlength" in each.attributes else []
    notes += ["required"] if each.required else [f"default: {_default(each)}"] if each.text and not each.hides else []
    summary = "; ".join(note for note in notes if note)
    return " ".join([*(word for word in words if word), *([f"[{summary}]"] if summary else [])])


def _default(each: Field) -> str:
    if each.kind == "checkbox":
        return "yes" if each.text == "true" else "no"
    if each.kind == "group":
        return json.dumps(each.default, ensure_ascii=False)
    return each.text.replace("\n", ", ")


def _named(option: str, known: dict[str, Field]) -> tuple[str, bool]:
    """The parameter of an option, and whether it is negated."""
    name = option[2:].replace("-", "_")
    if name in known:
        return name, False
    positive = name.removeprefix("no_")
    if positive != name and positive in known and known[positive].kind == "checkbox":
        return positive, True
    alike = get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f" Did you mean --{alike[0]}?" if alike else ""
    raise WrongCommandLine(f"There is no argument {option}.{hint} The names are: {', '.join('--' + each for each in known) or '(none)'}.")


def _secret(option: str, label: str) -> str:
    """Prompt for a secret; without a terminal, read a line of standard input."""
    if sys.stdin is not None and sys.stdin.isatty():
        return str(click.prompt(label, hide_input=True, err=True))
    try:
        line = "" if sys.stdin is None else sys.stdin.readline().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UpError(f"{option} -: the line of standard input is not UTF-8.") from None
    if not line:
        raise UpError(
            f"{option} - takes a line of standard input, and there is none. Pipe the secret into the command, or call it in a terminal."
        )
    return line


def _uploaded(option: str, value: str) -> str:
    """Store the file at a path and return its reference; a reference is returned unchanged."""
    from ...jobs import JobsError, Upload

    if not value or value.startswith(("file_", "{", "[")):
        return value
    try:
        return json.dumps(Upload.of(beside_caller(value)).reference)
    except OSError as error:
        raise UpError(f"{option}: {value} cannot be read: {error.strerror or error}.") from None
    except JobsError as error:
        raise UpError(f"{option}: {error}") from None


def _flag(sent: MultiDict[str, str], name: str, negated: bool, text: str) -> None:
    if text and text.lower() not in WORDS:
        raise UpError(f"--{name} must be yes or no, not {text!r}: write --{name} or --no-{name}.")
    if WORDS.get(text.lower(), True) is not negated:
        sent[name] = "true"
    else:
        sent.poplist(name)
        sent[f"{name}-present"] = ""

"""Sources of settings: the environment, a running `./run up`, and how problems are named."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "CALLBOARD_"
#: appended to a problem with a variable that Kubernetes sets
_KUBERNETES = "; Kubernetes sets it for a Service named callboard: rename the Service, or set enableServiceLinks: false"
#: settings that `./run up` decides itself and that processes joining it need
RUNNING_FIELDS = ("broker_url", "management_url", "smtp_url", "mail_admins")


def problems_of(error: ValidationError) -> dict[str, str]:
    """List the problems, each with its variable."""
    found: dict[str, str] = {}
    for one in error.errors():
        text = str(one["msg"]).removeprefix("Value error, ")
        if one["loc"]:
            named = [(PREFIX + str(one["loc"][0]).upper().removeprefix(PREFIX), text[:1].lower() + text[1:])]
        else:  # a check of several settings together
            named = [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines()]
        given = str(one["input"])
        for name, problem in named:
            if one["type"] in ("int_parsing", "int_from_float"):
                problem = "must be a whole number"
            elif one["type"] == "float_parsing":
                problem = "must be a number"
            found.setdefault(
                name, problem.replace("input should", "must").rstrip(".") + (_KUBERNETES if given.startswith("tcp://") else "")
            )
    return found


def sentence(problem: str) -> str:
    """The problem with its full stop, unless it ends with a question."""
    return problem if problem.endswith(("?", ".")) else f"{problem}."


def misspelled(fields: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """Name variables that nearly have the name of a setting: the setting that was meant would silently keep its default.

    Others with the prefix may be the team's own, or Kubernetes' for a Service.
    """
    known = {PREFIX + field.upper() for field in fields}
    found = {}
    settings = [each.removeprefix(PREFIX) for each in known]
    for name in {each.upper() for each in names if each.upper().startswith(PREFIX)} - known:
        given = name.removeprefix(PREFIX)
        exchanged = [each for each in settings if sorted(each) == sorted(given)]  # as in PROT for PORT
        if near := exchanged or difflib.get_close_matches(given, settings, n=1, cutoff=0.86):
            found[name] = f"is not a setting: did you mean {PREFIX}{near[0]}?"
    return found


def unreadable(folder: str, fields: Iterable[str]) -> dict[str, str]:
    """Name the secret files that cannot be read as text. Docker makes a folder where it finds no file to mount."""
    known = {PREFIX + field.upper() for field in fields}
    found = {}
    for file in Path(folder).iterdir() if os.path.isdir(folder) else ():
        if file.name.upper() not in known:
            continue
        try:
            file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = "is a folder" if file.is_dir() else getattr(error, "strerror", None) or "is not UTF-8 text"
            found[file.name.upper()] = f"cannot be read from {file}: {reason}"
    return found


def tidy(value: object) -> object:
    """The value without the blanks around it, and without the quotes that `docker --env-file` and compose lists pass on."""
    if not isinstance(value, str):
        return value
    text = value.strip().removeprefix("\ufeff")
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


class Chosen(PydanticBaseSettingsSource):
    """A settings source restricted to chosen fields."""

    def __init__(self, settings: type[BaseSettings], read: Callable[[], dict[str, Any]], wants: Callable[[str, Any], bool]) -> None:
        super().__init__(settings)
        self._read, self._wants = read, wants

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("values are read all at once")

    def __call__(self) -> dict[str, Any]:
        tidied = {name: tidy(value) for name, value in self._read().items()}
        return {name: value for name, value in tidied.items() if self._wants(name, value)}


def running(data_dir: Path) -> dict[str, str]:
    """The addresses that a running `./run up` has published for its folder; {}: none is running, or they cannot be read."""
    try:
        state = json.loads((data_dir / "state.json").read_text())
        os.kill(state["supervisor"]["pid"], 0)
        return {name: str(state[name]) for name in RUNNING_FIELDS}
    except (OSError, ValueError, KeyError, TypeError):
        return {}

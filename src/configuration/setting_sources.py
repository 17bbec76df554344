"""Sources of settings: the environment, a running `./run up`, and how problems are named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

PREFIX = "CALLBOARD_"
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
        for name, problem in named:
            found.setdefault(name, problem.replace("input should", "must").rstrip("."))
    return found


class Chosen(PydanticBaseSettingsSource):
    """A settings source restricted to chosen fields."""

    def __init__(self, settings: type[BaseSettings], read: Callable[[], dict[str, Any]], wants: Callable[[str, Any], bool]) -> None:
        super().__init__(settings)
        self._read, self._wants = read, wants

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError("values are read all at once")

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in self._read().items() if self._wants(name, value)}


def running(data_dir: Path) -> dict[str, str]:
    """The addresses that a running `./run up` has published for its folder; {}: none is running, or they cannot be read."""
    try:
        state = json.loads((data_dir / "state.json").read_text())
        os.kill(state["supervisor"]["pid"], 0)
        return {name: str(state[name]) for name in RUNNING_FIELDS}
    except (OSError, ValueError, KeyError, TypeError):
        return {}

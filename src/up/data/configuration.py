"""Effective settings: read with errors that name the cure, and listed with the source of each."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path

from dotenv.parser import parse_stream
from pydantic_settings import SettingsError

from ... import COMMAND
from ...configuration.kept_secrets import masked
from ...configuration.setting_sources import PREFIX, sentence, tidy
from ...settings import SECRETS_DIR, Settings, WrongSettings, get_settings
from ..errors import UpError

__all__ = ["env_file_lines", "masked", "origin", "read_settings", "unknown_variables"]

ENV_FILE = Path(".env")
#: the part of a line before its value, which may be a password
_START = re.compile(r"(export\s+)?[\w.-]{0,60}\s*=?")
#: CALLBOARD_ variables that `run` and `./run up` set for their own processes; not settings
OWN = {f"{PREFIX}{name}" for name in ("CALLED_FROM", "BEGUN_AT", "UP_FOLDER", "WEB_FD", "MAILBOX_FD", "PULSE_FD", "ANSWER_FD")}


def read_settings() -> Settings:
    """Reload this process's settings; raise UpError naming the variable, its source and the error."""
    get_settings.cache_clear()
    env_file_lines()
    try:
        return get_settings()
    except WrongSettings as error:
        raise UpError("\n".join(_complaint(name, problem) for name, problem in error.problems.items())) from None
    except SettingsError as error:
        raise UpError(f"The settings cannot be read: {error}.\nFix .env or the environment;  {COMMAND} doctor  checks again.") from None


def env_file_lines() -> dict[str, int]:
    """Variables of `.env` with their line numbers; raise UpError for an unreadable or invalid file."""
    try:
        with open(ENV_FILE, encoding="utf-8") as file:
            bindings = list(parse_stream(file))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UpError(
            f"{ENV_FILE.resolve()} cannot be read: {error}.\nIt must be a readable UTF-8 text file of NAME=value lines;"
            "  mv .env .env.broken  to start without it."
        ) from None
    broken = [binding.original for binding in bindings if binding.error]
    if broken:
        line = _START.match(broken[0].string.strip())
        raise UpError(
            f"Line {broken[0].line} of .env is not NAME=value:  {line and line[0]}…\nFix that line (quote values that contain spaces or #): nano +{broken[0].line} .env"
        )
    return {binding.key.upper(): binding.original.line for binding in bindings if binding.key and binding.value}


def origin(name: str) -> str:
    """Source of a setting: the environment, .env, a secret file, or its default."""
    variable = PREFIX + name.upper()
    if any(key.upper() == variable and tidy(value) for key, value in os.environ.items()):
        return "environment"
    line = env_file_lines().get(variable)
    if line is not None:
        return f".env line {line}"
    if Path(SECRETS_DIR, variable.lower()).exists():
        return f"{SECRETS_DIR}/{variable.lower()}"
    return "default"


def unknown_variables() -> list[str]:
    """Errors for unknown CALLBOARD_ variables, with the closest setting."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {key.upper() for key in os.environ if key.upper().startswith(PREFIX)} | {
        key for key in env_file_lines() if key.startswith(PREFIX)
    }
    return [f"{name} is not a setting.{_suggestion(name, known)}" for name in sorted(given - known - OWN)]


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {close[0]}?" if close else f" {COMMAND} config lists all."


def _complaint(variable: str, message: str) -> str:
    where = origin(variable.removeprefix(PREFIX).lower())
    mend = f"edit that line: nano +{where.rpartition(' ')[2]} .env" if where.startswith(".env") else f"unset it: unset {variable}"
    return f"{variable} (from {where}) {sentence(message)}\nCorrect it, or {mend}"

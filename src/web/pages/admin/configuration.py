"""/admin/settings: every setting of this process with value and source, and the retention periods."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Blueprint, render_template

from .... import settings
from ....configuration.kept_secrets import masked
from ....configuration.setting_sources import PREFIX
from ....operations.people.roles import Role
from ....settings import SECRETS_DIR, Settings
from ...auth import allow

blueprint = Blueprint("configuration", __name__)


@blueprint.get("/admin/settings")
@allow(Role.ADMIN)
def index() -> str:
    """The settings; secrets are hidden."""
    present = settings.get_settings()
    rows = [
        (f"{PREFIX}{name.upper()}", masked(name, _plain(getattr(present, name))), _origin(name, present), field.description)
        for name, field in Settings.model_fields.items()
    ]
    kept = [
        (field.description, _plain(getattr(present, name)), f"{PREFIX}{name.upper()}")
        for name, field in Settings.model_fields.items()
        if name.startswith("keep_")
    ]
    return render_template("admin/settings.html", rows=rows, kept=kept)


def _plain(value: object) -> object:
    return f"{value:.15g}" if isinstance(value, float) else value


def _origin(name: str, present: Settings) -> str:
    """Source of a setting in the web process. Values that `./run up` determines are passed as environment variables."""
    variable = PREFIX + name.upper()
    if variable in {key.upper() for key in os.environ}:
        return "environment"
    if Path(SECRETS_DIR, variable.lower()).exists():
        return f"{SECRETS_DIR}/{variable.lower()}"
    return ".env" if name in present.model_fields_set else "default"

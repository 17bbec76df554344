"""/api/v1/backups: what could be restored."""

from __future__ import annotations

from flask import Response

from src.web import backups
from src.web.api.blueprint import blueprint
from src.web.api.bodies import answer
from src.web.auth import allow
from src.web.roles import Role


@blueprint.get("/backups")
@allow(Role.ADMIN)
def list_backups() -> Response:
    """Every backup in the folder, newest first; one is made by submitting a job of the actor back_up."""
    return answer(backups.document(backups.look()))

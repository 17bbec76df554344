"""/api/v1/backups: the list of backups."""

from __future__ import annotations

from flask import Response

from ....operations.fleet import backup_list
from ....operations.people.roles import Role
from ...auth import allow
from ...http.json_bodies import answer
from ..requests.blueprint import blueprint


@blueprint.get("/backups")
@allow(Role.ADMIN)
def list_backups() -> Response:
    """List every backup in the folder, newest first. A job of the actor back_up creates one."""
    return answer(backup_list.document(backup_list.look()))

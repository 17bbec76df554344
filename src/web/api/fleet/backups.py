"""/api/v1/backups: the list of backups."""

from __future__ import annotations

from ....operations.fleet import backup_list
from ....operations.fleet.backup_list import BackupsDocument
from ....operations.people.roles import Role
from ...auth import allow
from ...http.json_bodies import Answer, answer
from ..requests.routes import Routes, Tag


@Routes(Tag.ADMIN).get("/backups")
@allow(Role.ADMIN)
def list_backups() -> Answer[BackupsDocument]:
    """List every backup in the folder, newest first. A job of the actor back_up creates one."""
    return answer(backup_list.document(backup_list.look()))

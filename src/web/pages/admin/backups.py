"""/admin/backups: the backups, their age, and how to restore one."""

from __future__ import annotations

from flask import Blueprint, render_template

from ....operations.fleet import backup_list
from ....operations.people.roles import Role
from ...auth import allow

blueprint = Blueprint("backups", __name__)


@blueprint.get("/admin/backups")
@allow(Role.ADMIN)
def index() -> str:
    """List the backups, newest first."""
    return render_template("admin/backups.html", folder=backup_list.look(), actor=backup_list.ACTOR)

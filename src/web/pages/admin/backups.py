"""/admin/backups: what could be restored, whether it is fresh, and how."""

from __future__ import annotations

from flask import Blueprint, render_template

from src.web import backups
from src.web.auth import allow
from src.web.roles import Role

blueprint = Blueprint("backups", __name__)


@blueprint.get("/admin/backups")
@allow(Role.ADMIN)
def index() -> str:
    """Every backup in the folder, newest first."""
    return render_template("admin/backups.html", folder=backups.look(), actor=backups.ACTOR)

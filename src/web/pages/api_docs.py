"""/api/docs: API reference, rendered from the OpenAPI document. Loads nothing from other hosts."""

from __future__ import annotations

from flask import Blueprint, render_template, url_for

from ...operations.people.roles import Role
from ..api.openapi import document
from ..auth import allow
from ..render import api_reference

blueprint = Blueprint("api_docs", __name__)


@blueprint.get("/api/docs")
@allow(Role.VIEWER)
def show() -> str:
    """List every operation with its role, parameters, responses and an example."""
    url = url_for("api.describe", _external=True).removesuffix("/openapi.json")
    return render_template("api/docs.html", groups=api_reference.groups(document.document(), url=url), url=url)

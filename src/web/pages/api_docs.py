"""/api/docs: API reference, rendered from the OpenAPI document. Loads nothing from other hosts."""

from __future__ import annotations

import re

from flask import Blueprint, current_app, render_template, url_for
from werkzeug.exceptions import HTTPException

from ...operations.people.roles import Role
from ..api.openapi import document
from ..auth import allow
from ..auth.access import rule_of
from ..render import api_reference

blueprint = Blueprint("api_docs", __name__)


@blueprint.get("/api/docs")
@allow(Role.VIEWER)
def show() -> str:
    """List every operation with its role, parameters, responses and an example."""
    url = url_for("api.describe", _external=True).removesuffix("/openapi.json")
    return render_template("api/docs.html", groups=api_reference.groups(document.document(), url=url, role=_role), url=url)


def _role(method: str, path: str) -> str:
    """The role that the operation requires."""
    address = "/api/v1" + re.sub(r"{(\w+)}", lambda name: _SAMPLES.get(name[1], "x"), path)
    try:
        endpoint, _ = current_app.url_map.bind("").match(address, method)
    except HTTPException:
        return ""
    return str(rule_of(current_app, endpoint) or "")


#: example values of path parameters
_SAMPLES = {"id": "1", "number": "1", "setting": "rate_limit"}

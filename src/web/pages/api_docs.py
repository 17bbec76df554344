"""/api/docs: the API for reading, from the same description that programs get. Nothing on it comes from another host."""

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
    """Every operation: who may, what it takes, what it answers, how to call it."""
    url = url_for("api.describe", _external=True).removesuffix("/openapi.json")
    return render_template("api/docs.html", groups=api_reference.groups(document.document(), url=url, role=_role), url=url)


def _role(method: str, path: str) -> str:
    """The least role that may do this."""
    address = "/api/v1" + re.sub(r"{(\w+)}", lambda name: _SAMPLES.get(name[1], "x"), path)
    try:
        endpoint, _ = current_app.url_map.bind("").match(address, method)
    except HTTPException:
        return ""
    return str(rule_of(current_app, endpoint) or "")


#: values with which an address of the API is one
_SAMPLES = {"id": "1", "number": "1", "setting": "rate_limit"}

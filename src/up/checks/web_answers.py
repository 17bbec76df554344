"""Probe of the web front end. Standard library only, so that `./run status` is fast."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any


def web_missing(url: str) -> str | None:
    """Check that the web front end itself is ready; return None or the problem."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5):
            return None
    except urllib.error.HTTPError as error:
        return f"{url}/readyz responds {error.code}: {_detail(error.read())}"
    except (OSError, http.client.HTTPException) as error:  # the latter: another service at this port
        return f"{url}/readyz does not respond ({error})"


def readiness(url: str) -> dict[str, Any]:
    """The /readyz document of the web front end; {} if it does not respond."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            found = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return found if isinstance(found, dict) else {}


def _detail(body: bytes) -> str:
    try:
        answer = json.loads(body)
        return str(answer.get("detail") or answer)
    except (ValueError, AttributeError):
        return body[:200].decode(errors="replace")

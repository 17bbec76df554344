"""A web application whose import blocks until the test closes a pipe."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def make() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """Return the application, once the pipe that LATE_APP_PIPE names has been closed on its other side."""
    Path(os.environ["LATE_APP_PIPE"]).read_bytes()

    def answer(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"ready"]

    return answer

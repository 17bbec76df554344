"""Stand-ins: a deduplicated job takes the result of the job that did its work."""

from __future__ import annotations

import json
from typing import Any

from ...jobs.core.states import State
from ...jobs.files import result_files
from ...jobs.read.queries import Ending, ending
from ...sql.database import get_database

#: the option that holds the other job's id
STANDS_IN = "stands_in"


class OtherFailed(Exception):
    """The job that did this one's work ended without success: running this one again would not help."""


def result_of(id: str) -> Any:
    """Return the result of the job that did the work. Raises OtherFailed."""
    found = get_database().direct.read(lambda direct: ending(direct, id=id))
    if found is None:
        raise OtherFailed(f"job {id}, which did its work, has been deleted")
    if found.state is not State.SUCCEEDED:
        raise OtherFailed(f"job {id}, which did its work, is {found.state}: {found.error or found.reason or 'no reason given'}")
    return _result(found)


def _result(found: Ending) -> Any:
    text = found.result if found.result_file is None else result_files.read(found.result_file)
    return None if text is None else json.loads(text)

"""Links of one call: `send_with_options(…, link=message, link_error=message)`.

`link` runs with the result as its last positional argument when the job has succeeded, `link_error` with the outcome
(an object: id, actor, state, error, reason …) when it ended otherwise. A list makes several of them.
"""

from __future__ import annotations

from typing import Any

from dramatiq import Message

from ...jobs.submit.requests import Submission
from ...jobs.workflows.canvas import Workflow, link

LINK, LINK_ERROR = "link", "link_error"


def linked(message: Message[Any], asked: Submission) -> Workflow | None:
    """Return the workflow of a message with links, or None."""
    if LINK not in message.options and LINK_ERROR not in message.options:
        return None
    success, error = message.options.get(LINK) or (), message.options.get(LINK_ERROR) or ()
    return Workflow(f"{message.actor_name} and its links", link(asked, on_success=success, on_error=error))

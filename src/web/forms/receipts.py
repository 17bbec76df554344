"""Notice after a submission: a new job, or why there is none."""

from __future__ import annotations

from flask import flash

from ...jobs import Receipt


def notify(receipt: Receipt, done: str) -> None:
    """Show what became of a submission on the next page. `done`: the notice of a new job."""
    if receipt.reason is not None:
        flash(f"No new job: {receipt.reason}.", "error")
    else:
        flash(done if receipt.created else "This form was already submitted: here is its job.", "success")

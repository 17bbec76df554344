"""workflows, workflow submit|show|cancel|retry: workflows at a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from ... import COMMAND
from ...operations.format.terminal_text import one_line
from ...up.errors import UpError
from ..groups import Suggesting
from ..shared.calls import operator, writing
from ..shared.data_folder import beside_caller, data_option, join


@click.command()
@click.option("-n", "limit", type=click.IntRange(1, 200), default=20, show_default=True, help="Number of workflows, newest first.")
@data_option
def workflows(*, limit: int, data: Path | None) -> None:
    """List workflows, newest first."""
    join(data, needs_actors=False)
    from ...jobs.control import workflows
    from ...sql import database

    with database.read() as session:
        page = workflows.page(session, limit=limit)
    for each in page.workflows:
        counts = ", ".join(f"{number} {state}" for state, number in each.counts.items())
        click.echo(f"{each.id}  {each.state:<10} {one_line(each.name):<32} {each.created_at:%Y-%m-%d %H:%M:%S}Z  {counts}")


@click.group(cls=Suggesting)
def workflow() -> None:
    """One workflow: submit, show, cancel, retry, re-run."""


@workflow.command("submit")
@click.argument("file", type=click.Path(allow_dash=True))
@click.option("--idempotency-key", help="A repeated key returns the same workflow.")
@data_option
def submit(*, file: str, idempotency_key: str | None, data: Path | None) -> None:
    """Submit the workflow in the JSON FILE (- for standard input), in the format of POST /api/v1/workflows; print its id."""
    text = _read(file)
    with writing(data, needs_actors=True) as session:
        from ...jobs.core import values
        from ...operations.jobs.requests import job_request
        from ...operations.workflows.workflow_request import read_workflow

        try:
            document = values.loads(text)
        except (ValueError, RecursionError) as error:
            name = "The standard input" if file == "-" else file
            raise UpError(f"{name} is not valid JSON: {error}.") from None
        by = operator()
        wanted = read_workflow(document, by=by)
        receipt = wanted.submit(session, submitted_by=by.name, idempotency_key=job_request.own_key(idempotency_key, by))
    click.echo(receipt.id)


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else beside_caller(file).read_bytes()
    except OSError as error:
        raise UpError(f"{file} cannot be read: {error.strerror or error}.") from None


@workflow.command("show")
@click.argument("id")
@data_option
def show(*, id: str, data: Path | None) -> None:
    """Print one workflow with its steps as JSON."""
    with writing(data) as session:
        from ...jobs.control import workflows
        from ...operations.format import json_documents
        from ...operations.workflows import workflow_documents

        found = workflows.find(session, id)
        if found is None:
            raise UpError(f"There is no workflow {id}. {COMMAND} workflows lists the newest.")
        document = json_documents.finite(workflow_documents.whole(found))
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


@workflow.command("cancel")
@click.argument("id")
@data_option
def cancel(*, id: str, data: Path | None) -> None:
    """Cancel the unfinished steps; running ones are requested to stop."""
    with writing(data) as session:
        from ...jobs.control import workflows

        touched = workflows.cancel(session, id)
    click.echo(f"{id}  {touched} cancelled or stopping")


@workflow.command("re-run")
@click.argument("id")
@click.argument("step")
@data_option
def rerun(*, id: str, step: str, data: Path | None) -> None:
    """Run a step and all that follow it again, as a new workflow; print its id."""
    with writing(data, needs_actors=True) as session:
        from ...jobs.control import workflow_reruns

        receipt = workflow_reruns.rerun(session, id, step, by=operator().name)
    click.echo(receipt.id)


@workflow.command("retry")
@click.argument("id")
@data_option
def retry(*, id: str, data: Path | None) -> None:
    """Retry the failed steps."""
    with writing(data) as session:
        from ...jobs.control import workflows

        touched = workflows.retry(session, id)
    click.echo(f"{id}  {touched} queued or waiting again")

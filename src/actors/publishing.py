"""report(): turn an actor that returns a document into a report: shown, mailed, kept under a permanent address."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec

import dramatiq
from dramatiq import Actor
from sqlalchemy.orm import Session

from ..jobs import current_job
from ..mail.letters import Attachment, InlineImage, Letter, one_line
from ..mail.rendering import inlined
from ..reports import archive, forms, pdf
from ..reports.document import Document
from ..settings import get_settings
from ..sql.database import read
from .mail import post

Parameters = ParamSpec("Parameters")


@dataclass(frozen=True, slots=True)
class _Rules:
    """Distribution of a document. `mail_to` None: CALLBOARD_MAIL_ADMINS; empty: no recipients."""

    name: str
    mail_to: Sequence[str] | None
    only_if_changed: bool
    only_if_not_empty: bool


def report(
    *, mail_to: Sequence[str] | None = None, only_if_changed: bool = False, only_if_not_empty: bool = False, **options: Any
) -> Callable[[Callable[Parameters, Document]], Actor[Parameters, dict[str, Any]]]:
    """Make an actor of a function that returns a Document. `options` are those of `@dramatiq.actor`.

    The job's result holds the report's address. The function reads with `database.read()`: the job's own session is
    opened only to write at the end, so that on SQLite other writers do not wait for the queries.
    """

    def decorate(function: Callable[Parameters, Document]) -> Actor[Parameters, dict[str, Any]]:
        rules = _Rules(options.get("actor_name") or function.__name__, mail_to, only_if_changed, only_if_not_empty)

        @functools.wraps(function)
        def publish(*args: Parameters.args, **kwargs: Parameters.kwargs) -> dict[str, Any]:
            document = function(*args, **kwargs)
            return _publish(document, rules)

        decorate: Any = dramatiq.actor(**{"queue_name": "reports", "max_retries": 3, "transactional": True, "unique": True, **options})
        actor: Actor[Parameters, dict[str, Any]] = decorate(publish)
        _declared.add(rules.name)
        return actor

    return decorate


_declared: set[str] = set()


def declared() -> frozenset[str]:
    """Return the names of all reports."""
    return frozenset(_declared)


def _publish(document: Document, rules: _Rules) -> dict[str, Any]:
    if rules.only_if_not_empty and document.is_empty:
        return {"skipped": "there is nothing to report"}
    if rules.only_if_changed:
        with read() as looking:
            last = archive.newest(looking, rules.name)
        if last is not None and last.digest == document.digest:
            return {"skipped": "nothing has changed", "report": last.path}
    base = get_settings().effective_public_url
    id = archive.new_id(document)
    path = archive.path_of(rules.name, id)
    pdf, note = _pdf(document, base=base, url=base + path)
    recipients = list(get_settings().admins if rules.mail_to is None else rules.mail_to)
    letter = _letter(document, rules.name, recipients, pdf, base=base, url=base + path) if recipients else None
    # The transaction starts here, after everything slow is done.
    session: Session = current_job.session
    mail_id = None if letter is None else post(session, letter)
    archive.keep(session, rules.name, id, document, job_id=current_job.id, pdf=pdf, pdf_note=note, mail_id=mail_id)
    return {"report": path, "summary": document.summary, "mail": mail_id, "mailed_to": recipients}


def _pdf(document: Document, *, base: str, url: str) -> tuple[bytes | None, str | None]:
    try:
        return pdf.make(forms.paper(document, base=base, url=url)), None
    except pdf.NoPdf as error:
        return None, str(error)  # the rest of the report is still useful


def _letter(document: Document, name: str, recipients: list[str], pdf: bytes | None, *, base: str, url: str) -> Letter:
    html, pictures = forms.mail(document, base=base, url=url)
    file = re.sub(r"[^\w.-]", "-", name)[:150] + f"-{document.made_at:%Y-%m-%d}"
    attachments = [Attachment(f"{file}.csv", "text/csv", forms.spreadsheet(document))]
    if pdf is not None:
        attachments.append(Attachment(f"{file}.pdf", "application/pdf", pdf))
    return Letter(
        to=recipients,
        subject=one_line(document.summary) or name,
        text=forms.text(document, url=url),
        html=inlined(html),
        images=[InlineImage(picture, content) for picture, content in pictures.items()],
        attachments=attachments,
        list_name=re.sub(r"[^a-z0-9]", "-", name.lower()).lstrip("-")[:60] or "report",
    )

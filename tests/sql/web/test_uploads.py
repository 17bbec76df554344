"""Uploaded files as arguments: by form, API, command and rows; stored once, referred to, passed to the actor, deleted when unused."""

from __future__ import annotations

import html
import io
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import dramatiq
import pytest
from markupsafe import escape
from sqlalchemy import Text, text, update
from werkzeug.test import TestResponse

import tests.actors.web
from src.actor_schema.signature import Signature
from src.cli.shared.actor_arguments import read_arguments
from src.jobs import Upload
from src.jobs.core.errors import InvalidArguments
from src.jobs.core.models import Job
from src.jobs.files import references, result_files, uploads
from src.jobs.read import queries
from src.jobs.submit.models import SqlRequest
from src.operations.arguments.fields import fields_of
from src.operations.people.roles import Role
from src.scheduling.housekeeping import tidy_files
from src.settings import get_settings
from src.sql.clock import now
from src.sql.columns import Base, JsonText
from src.sql.database import read, write
from src.up.errors import UpError
from src.web.api.openapi import document
from src.web.forms.batch_sheet import Sheet
from tests.actors.web import archive, order
from tests.harness.injections import STRINGS
from tests.harness.jobs import claimed, ended, hired, settle
from tests.harness.site import Program, Site, Visit, in_words

DAY = 86_400


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("CALLBOARD_UPLOADS_DIR", str(tmp_path / "uploads"))
    get_settings.cache_clear()
    yield tmp_path / "uploads"
    get_settings.cache_clear()


def part(content: bytes = b"a picture", name: str = "a.png") -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def brought(program: Program, *, path: str = "/api/v1/files", **parts: Any) -> TestResponse:
    return program.client.post(path, data=parts, headers=program.headers)


def typed(visit: Visit, fields: dict[str, Any], path: str = "/actors/archive", action: str | None = None) -> TestResponse:
    """Load the page, fill in its form, submit."""
    return visit.fill_in(path, action=action, **fields)


def job_of(answer: TestResponse) -> Job:
    assert answer.status_code in (202, 303), in_words(answer.text)
    with read() as session:
        found = queries.find(session, answer.location.rsplit("/", 1)[1])
    assert found is not None
    return found


def contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("file_*")]


def kept_inputs(page: str, name: str) -> list[str]:
    """Return the values that a browser sends back for the files in the form."""
    return [html.unescape(value) for value in re.findall(rf'name="{name}-kept" value="([^"]+)"', page)]


@pytest.mark.parametrize("size", [10, 400_000], ids=["when it is kept", "while it comes in"])
def test_a_full_disk_is_said_and_no_job_is_submitted(site: Site, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    opened: list[IO[bytes]] = []

    def full() -> IO[bytes]:
        opened.append(open("/dev/full", "w+b"))  # noqa: SIM115
        return opened[-1]

    monkeypatch.setattr(uploads, "draft", full)
    program, visit = site.program(), site.browser()
    answers = [
        brought(program, file=part(b"x" * size)),
        brought(program, path="/api/v1/actors/archive/jobs", photo=part(b"x" * size)),
        typed(visit, {"photo": part(b"x" * size)}),
    ]
    for file in opened:
        with suppress(OSError):
            file.close()
    assert [answer.status_code for answer in answers] == [507] * 3, [in_words(answer.text) for answer in answers]
    assert all("Free space" in answer.text and "CALLBOARD_DATA_DIR" in answer.text for answer in answers)
    with read() as session:
        assert session.query(Job).count() == 0


def test_a_form_keeps_a_file_once_and_the_job_refers_to_it(site: Site, folder: Path) -> None:
    page = site.browser().get("/actors/archive").text
    assert 'enctype="multipart/form-data"' in page
    assert re.search(r'type="file" id="field-photo" name="photo"[^>]* accept="image/\*,.txt"', page)
    assert "At most 50 kB." in page
    assert 'enctype="multipart' not in site.browser().get("/actors/order").text

    visit = site.browser(Role.SUBMITTER)
    job = job_of(visit.fill_in("/actors/archive", photo=part(), papers=[part(b"one", "1.pdf"), part(b"two", "2.pdf"), part(b"one", "3")]))

    assert job.kwargs["photo"] == {"id": job.kwargs["photo"]["id"], "name": "a.png", "size": 9, "content_type": "image/png"}
    assert [each["name"] for each in job.kwargs["papers"]] == ["1.pdf", "2.pdf", "3"]
    assert sorted(contents(folder)) == [b"a picture", b"one", b"two"]
    args, kwargs = Signature.of(archive).coerce(job.args, job.kwargs)
    assert archive.fn(*args, **kwargs) == "a.png: 9 bytes, 3 papers, 0 pages"
    assert list((folder / "drafts").iterdir()) == []


def test_a_form_with_errors_keeps_its_files_and_takes_others_or_fewer(site: Site) -> None:
    visit = site.browser(Role.SUBMITTER)
    files = {"photo": part(), "papers": [part(b"one", "1.pdf"), part(b"two", "2.pdf")]}
    wrong = typed(visit, {**files, "pages-rows": "1", "pages.0.number": "none"})
    assert wrong.status_code == 422
    assert "Pages 1 › Number: Enter a whole number." in wrong.text
    assert "Pages 1 › Scan: Required." in wrong.text
    assert "a.png" in in_words(wrong.text)

    [photo], papers = kept_inputs(wrong.text, "photo"), kept_inputs(wrong.text, "papers")
    rows: dict[str, Any] = {"pages-rows": "1", "pages.0.number": "7", "pages.0.scan": part(b"scan", "s.png")}
    job = job_of(typed(visit, {**rows, "photo-kept": photo, "papers-kept": papers, "papers-gone": papers[0]}))
    assert job.kwargs["photo"]["name"] == "a.png"
    assert [each["name"] for each in job.kwargs["papers"]] == ["2.pdf"]
    assert (job.kwargs["pages"][0]["number"], job.kwargs["pages"][0]["scan"]["name"]) == (7, "s.png")

    other = job_of(typed(visit, {"photo-kept": photo, "photo": part(b"other", "b.png")}))
    assert other.kwargs["photo"]["name"] == "b.png"


@pytest.mark.parametrize(
    ("photo", "told"),
    [
        (None, "Photo: Required."),
        ((b"x" * 50_001, "a.png"), "Photo: The file a.png is 50001 bytes; give one of at most 50000."),
        ((b"MZ", "a.exe"), "Photo: The file a.exe is application/"),
    ],
)
def test_an_error_of_a_file_is_shown_at_its_input(site: Site, photo: Any, told: str) -> None:
    answer = typed(site.browser(Role.SUBMITTER), {} if photo is None else {"photo": part(*photo)})
    assert answer.status_code == 422
    assert told in in_words(answer.text)


def test_re_run_and_change_keep_the_file_unless_another_is_chosen(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    job = job_of(visit.fill_in("/actors/archive", photo=part(), **{"how-delay": "1h"}))
    form, target = f"/jobs/{job.id}/re-run", f"/jobs/{job.id}/re-run-with-edits"
    [photo] = kept_inputs(visit.get(form).text, "photo")
    assert job_of(typed(visit, {"photo-kept": photo}, form, target)).kwargs["photo"] == job.kwargs["photo"]
    assert job_of(visit.fill_in(form, action=target, photo=part(b"new", "n.png"))).kwargs["photo"]["name"] == "n.png"

    changed = typed(visit, {"job-priority": "7", "photo": part(b"changed", "c.png")}, f"/jobs/{job.id}/edit")
    assert job_of(changed).kwargs["photo"]["name"] == "c.png"


def test_a_schedule_takes_the_file_from_the_actors_form_and_keeps_it_when_changed(site: Site) -> None:
    visit = site.browser(Role.OPERATOR)
    hidden = visit.hidden("/actors/archive")
    made = visit.client.post("/schedules/new?actor=archive", data={**hidden, "photo": part()})
    [photo] = kept_inputs(made.text, "photo")
    times = {
        "schedule-name": "put away",
        "schedule-cron": "0 6 * * *",
        "schedule-zone": "UTC",
        "schedule-missed": "once",
        "schedule-overlap": "allow",
    }
    done = visit.client.post("/schedules/new?actor=archive", data={**hidden, **times, "photo-kept": photo})
    assert done.status_code == 303, in_words(done.text)
    assert kept_inputs(visit.get(f"{done.location}/edit").text, "photo") == [photo]


def test_a_program_brings_a_file_first_and_refers_to_it(site: Site) -> None:
    program = site.program(Role.SUBMITTER)
    answer = brought(program, file=part(b"hello", "../etc/hé.txt"))
    assert answer.status_code == 201, answer.text
    reference = answer.get_json()
    assert (reference["name"], reference["size"], reference["content_type"]) == ("hé.txt", 5, "text/plain")
    assert reference["sha256"] == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

    for given in (reference, {"id": reference["id"], "name": "other.txt"}):
        job = job_of(program.post("/api/v1/jobs", {"actor": "archive", "kwargs": {"photo": given}}))
        assert job.kwargs["photo"]["id"] == reference["id"]
        assert job.kwargs["photo"]["size"] == 5

    got = program.client.get(f"/api/v1/jobs/{job.id}/files/{reference['id']}", headers=program.headers, buffered=True)
    assert (got.status_code, got.data) == (200, b"hello")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"id": "file_" + "0" * 40, "name": "a.png"}, "There is no file file_000"),
        ({"id": "../../secret_key"}, "is not a file's id"),
        ("nothing", "is not a file's id"),
        ({"name": "a.png"}, "Choose a file."),
        (5, "Choose a file."),
        ({"size": 4}, "has 5 bytes, not 4"),
        ({"name": "a/b.png"}, "A file's name is"),
        ({"name": ""}, "A file's name is"),
        ({"name": "a.png", "content_type": "x\r\ny"}, "A file's content type is"),
    ],
)
def test_a_reference_that_is_none_is_refused_when_submitted(site: Site, given: Any, told: str) -> None:
    program = site.program(Role.SUBMITTER)
    if isinstance(given, dict) and "id" not in given and told != "Choose a file.":
        given = {**brought(program, file=part(b"hello")).get_json(), **given}
    answer = program.post("/api/v1/actors/archive/jobs", {"kwargs": {"photo": given}})
    assert answer.status_code == 422
    [error] = answer.get_json()["errors"]
    assert error["field"] == "photo"
    assert told in error["message"]


@pytest.mark.parametrize("path", ["/api/v1/files", "/api/v1/actors/archive/jobs"])
@pytest.mark.parametrize("file", ["", '; filename="a.txt"'])
def test_a_part_whose_name_cannot_be_read_is_refused(site: Site, path: str, file: str) -> None:
    program = site.program()
    good = b'--x\r\nContent-Disposition: form-data; name="file"; filename="b.txt"\r\n\r\nb\r\n'
    bad = f'--x\r\nContent-Disposition: form-data; name="a\rb"{file}\r\n\r\na\r\n--x--\r\n'.encode()
    sent = {"data": good + bad, "content_type": "multipart/form-data; boundary=x", "headers": program.headers}

    assert program.client.post(path, **sent).status_code == 422


def test_a_program_may_send_files_as_parts_beside_the_json(site: Site) -> None:
    program = site.program(Role.SUBMITTER)
    address = "/api/v1/actors/archive/jobs"
    job = job_of(brought(program, path=address, body='{"priority": 8}', photo=part(), papers=[part(b"1", "1"), part(b"2", "2")]))
    assert (job.priority, job.kwargs["photo"]["name"], len(job.kwargs["papers"])) == (8, "a.png", 2)

    for parts, field in (
        ({"photo": part(), "fotos": part()}, "fotos"),
        ({"photo": [part(), part()]}, "photo"),
        ({"papers": part()}, "photo"),
        ({"photo": part(), "priority": "9"}, "priority"),
        ({"photo": part(), "body": ['{"priority": 8}', '{"priority": 9}']}, "body"),
        ({"photo": part(), "body": '{"kwargs": {"photo": "file_1"}}'}, "photo"),
    ):
        answer = brought(program, path=address, **parts)
        assert (answer.status_code, [each["field"] for each in answer.get_json()["errors"]]) == (422, [field])
    assert brought(program, path=address, body="{", photo=part()).status_code == 400
    assert brought(program).status_code == 415
    for parts, field in (
        ({"nothing": part()}, "file"),
        ({"file": [part(), part(b"another")]}, "file"),
        ({"file": part(), "photo": part()}, "photo"),
        ({"file": part(), "name": "b.png"}, "name"),
    ):
        answer = brought(program, **parts)
        assert (answer.status_code, [each["field"] for each in answer.get_json()["errors"]]) == (422, [field])


def test_too_large_uploads_are_refused_with_the_parameter_and_leave_no_file(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_MAX_UPLOAD_BYTES", "2000")
    get_settings.cache_clear()
    program = site.program(Role.SUBMITTER)
    for size in (2_001, 1_200_000):
        head = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.png"\r\n\r\n'
        sent = {"data": head + b"x" * size + b"\r\n--x--\r\n", "content_type": "multipart/form-data; boundary=x"}
        answer = program.client.post("/api/v1/actors/archive/jobs", headers=program.headers, **sent)
        assert answer.status_code == 413, answer.text
        assert "CALLBOARD_MAX_UPLOAD_BYTES" in answer.get_json()["detail"]
    assert "photo" in answer.get_json()["detail"]
    assert contents(folder) == []
    assert list((folder / "drafts").iterdir()) == []


def test_the_document_tells_of_files(site: Site) -> None:
    content = document.document()["paths"]["/actors/archive/jobs"]["post"]["requestBody"]["content"]
    parts = content["multipart/form-data"]["schema"]["properties"]
    assert parts["photo"] == {"type": "string", "format": "binary"}
    assert parts["papers"]["type"] == "array"
    assert "multipart/form-data" not in document.document()["paths"]["/actors/order/jobs"]["post"]["requestBody"]["content"]
    assert site.browser().get("/api/docs").status_code == 200


def test_a_file_is_saved_and_never_shown_and_by_those_alone_who_may_submit_and_see_the_job(site: Site) -> None:
    job = job_of(site.browser(Role.SUBMITTER).fill_in("/actors/archive", photo=part(b"<script>alert(1)</script>", "a.txt")))
    address = f"/jobs/{job.id}/files/{job.kwargs['photo']['id']}"
    answer = site.browser(Role.SUBMITTER).get(address)
    assert answer.data == b"<script>alert(1)</script>"
    assert answer.headers["Content-Disposition"] == "attachment; filename=a.txt"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert address in site.browser(Role.SUBMITTER).get(f"/jobs/{job.id}").text

    assert site.browser(Role.VIEWER).get(address).status_code == 403
    assert address not in site.browser(Role.VIEWER).get(f"/jobs/{job.id}").text
    assert site.browser(Role.SUBMITTER, actors=["add"]).get(address).status_code == 404
    other = Upload.of(io.BytesIO(b"somebody else's"), name="b")
    assert site.browser(Role.ADMIN).get(f"/jobs/{job.id}/files/{other.id}").status_code == 404


def test_a_files_name_is_text_wherever_it_stands(site: Site) -> None:
    visit, program = site.browser(Role.OPERATOR), site.program(Role.OPERATOR)
    ids = [brought(program, file=part(b"%d" % number)).get_json()["id"] for number in range(len(STRINGS))]
    names = [uploads.clean_name(f"{script.replace('/', '')}.png") for script in STRINGS]
    given = [{"id": id, "name": name} for id, name in zip(ids, names, strict=True)]
    job = job_of(program.post("/api/v1/jobs", {"actor": "archive", "kwargs": {"photo": given[0], "papers": given}}))
    as_sent = [name.replace('"', "%22") for name in names]  # as browsers do
    wrong = visit.fill_in(
        "/actors/archive", photo=part(name=as_sent[0]), papers=[part(name=name) for name in as_sent], **{"how-priority": "x"}
    )
    assert wrong.status_code == 422
    for page in (wrong.text, visit.get(f"/jobs/{job.id}").text, visit.get(f"/jobs/{job.id}/re-run").text):
        for name, sent in zip(names, as_sent, strict=True):
            assert escape(name) in page or escape(sent) in page
            assert "<" not in name or (name not in page and sent not in page)
    for id in ids:
        assert visit.get(f"/jobs/{job.id}/files/{id}").headers["Content-Disposition"].startswith("attachment; filename")


def test_a_command_takes_a_path(site: Site, tmp_path: Path) -> None:
    del site
    (tmp_path / "a.png").write_bytes(b"from the disk")
    fields = fields_of(Signature.of(archive))
    values = read_arguments(
        fields, ["--photo", str(tmp_path / "a.png"), "--papers", str(tmp_path / "a.png"), f"--papers={tmp_path / 'a.png'}"]
    )
    assert (values["photo"]["name"], values["photo"]["size"], len(values["papers"])) == ("a.png", 13, 2)
    assert read_arguments(fields, ["--photo", json.dumps(values["photo"])])["photo"] == values["photo"]
    with pytest.raises(UpError, match=r"--photo: .*nothing\.png cannot be read: No such file"):
        read_arguments(fields, ["--photo", str(tmp_path / "nothing.png")])


def test_a_row_refers_to_files_and_brings_none(site: Site) -> None:
    given = brought(site.program(Role.SUBMITTER), file=part()).get_json()["id"]
    header, rows = Sheet(Signature.of(archive)).read(f"photo,papers\n{given}/a.png,{given};{given}/b\n./a.png,\n".encode())
    assert header == ["photo", "papers"]
    assert not rows[0].problems
    assert [each["name"] for each in (rows[0].kwargs or {})["papers"]] == ["file", "b"]
    [(column, told)] = rows[1].problems
    assert (column, told.startswith("A row cannot contain a file: upload it with POST /api/v1/files")) == ("photo", True)


def test_unreferenced_uploads_are_deleted_after_their_time(site: Site, folder: Path) -> None:
    program = site.program(Role.OPERATOR)
    jobs, nobodys, again = (brought(program, file=part(content)).get_json() for content in (b"a job's", b"nobody's", b"brought again"))
    preset = brought(program, file=part(b"a preset's")).get_json()
    job_of(program.post("/api/v1/jobs", {"actor": "archive", "kwargs": {"photo": jobs}}))
    visit = site.browser(Role.SUBMITTER)
    fields = {**visit.hidden("/actors/archive"), "preset-name": "usual", "photo-kept": json.dumps(preset)}
    assert visit.client.post("/actors/archive/presets", data=fields).status_code == 303
    for file in folder.rglob("file_*"):
        os.utime(file, (time.time() - 2 * DAY,) * 2)
    brought(program, file=part(b"brought again"))

    tidy_files()

    assert sorted(contents(folder)) == [b"a job's", b"a preset's", b"brought again"]
    assert not uploads.path(nobodys["id"]).exists()
    answer = program.post("/api/v1/jobs", {"actor": "archive", "kwargs": {"photo": nobodys}})
    assert answer.status_code == 422
    assert job_of(program.post("/api/v1/jobs", {"actor": "archive", "kwargs": {"photo": again}})).kwargs["photo"]["size"] == 13


def test_a_file_that_is_referred_to_while_it_is_being_deleted_stays(site: Site) -> None:
    del site
    kept = Upload.of(io.BytesIO(b"wanted after all"), name="a")
    os.utime(kept.path, (time.time() - 2 * DAY,) * 2)
    candidates = uploads.old(time.time() - DAY)
    uploads.size_of(kept.id)  # as a submission does that has not committed yet

    assert uploads.prune(candidates, set(), time.time() - DAY) == 0
    assert kept.path.read_bytes() == b"wanted after all"


def test_a_file_stays_while_a_message_that_follows_a_job_a_large_result_or_a_request_from_sql_refers_to_it(
    site: Site, folder: Path
) -> None:
    contents_of = ("of the pipeline", "of the callback", "of the result", "of the request")
    piped, called_back, returned, requested = (Upload.of(io.BytesIO(content.encode()), name="a.png").reference for content in contents_of)
    dramatiq.pipeline([order.message([]), archive.message_with_options(kwargs={"photo": piped}, pipe_ignore=True)]).run()
    both = dramatiq.group([order.message([]), order.message([])])
    both.add_completion_callback(archive.message_with_options(kwargs={"photo": called_back}))
    both.run()
    worker = hired(site.database)
    one = claimed(site.database, worker, 1)
    text = json.dumps({"file": returned, "rows": "x" * 300_000})
    settle(site.database, worker, ended(one, result_file=result_files.keep(one.seq, one.attempt, text), result_bytes=len(text)))
    with write() as session:
        body = json.dumps({"kwargs": {"photo": requested}})
        session.add(SqlRequest(id="1", actor="archive", request=body, submitted_by="someone", created_at=now()))
    for file in folder.rglob("file_*"):
        os.utime(file, (time.time() - 2 * DAY,) * 2)

    tidy_files()

    assert sorted(contents(folder)) == sorted(content.encode() for content in contents_of)


def test_a_search_for_references_reads_no_text_without_any(site: Site) -> None:
    reference = Upload.of(io.BytesIO(b"of the job"), name="a.png").reference
    job = job_of(site.program(Role.SUBMITTER).post("/api/v1/jobs", {"actor": "archive", "kwargs": {"photo": reference}}))
    rows: list[Any] = []
    with write() as session:
        session.execute(update(Job).where(Job.id == job.id).values(result={"rows": "x" * 50_000}))

        def ask(statement: str) -> list[Any]:
            found = list(session.execute(text(statement)))
            rows.extend(found)
            return found

        assert references.ids(ask) == {reference["id"]}

    assert ("photo" in str(rows), "xxx" in str(rows)) == (True, False)


def test_what_killed_processes_leave_is_cleared_up(site: Site, folder: Path) -> None:
    del site
    wanted = Upload.of(io.BytesIO(b"wanted after all"), name="a")
    away = wanted.path.rename(f"{wanted.path}.going")
    left = [folder / "drafts" / "tmpabc", folder / "ab" / f"file_{'ab' * 20}.going"]
    for file in left:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"left")
        os.utime(file, (time.time() - 40 * DAY,) * 2)

    tidy_files()

    assert not [file for file in (away, *left) if file.exists()]
    assert wanted.path.read_bytes() == b"wanted after all"


def test_every_column_that_may_hold_arguments_is_looked_at() -> None:
    """A new column of text or JSON belongs in references.KEPT, or in this list of those that no job is given."""
    others = {
        "actor_runs": {"runs"},
        "alerts": {"text"},
        "api_tokens": {"actors"},
        "attempts": {"error", "traceback"},
        "audit_lines": {"details"},
        "batch_rows": {"cells", "problems"},
        "batches": {"header", "dialect"},
        "console_users": {"actors"},
        "controls": {"value"},
        "failure_groups": {"message", "actors"},
        "job_statistics": {"waits", "runs"},
        "job_totals": {"waits", "runs"},
        "jobs": {"reason", "error", "progress_message"},
        "log_lines": {"text"},
        "mail_deliveries": {"answer"},
        "mailbox": {"sender", "recipients", "subject", "message_id"},
        "mails": {"subject"},
        "reports": {"title", "summary", "period", "document", "pdf_note"},
        "saved_views": {"query"},
        "schedule_changes": {"changes"},
        "schedule_ticks": {"reason"},
        "schedules": {"pause_reason", "broken"},
        "sql_actors": {"schema", "refusal"},
        "webhook_deliveries": {"payload"},
        "webhooks": {"states"},
        "workers": {"queues", "actors", "refusals", "frontier"},
        "workflow_steps": {"waits_text"},
    }
    there: dict[str, set[str]] = {}
    for table in Base.metadata.tables.values():
        if texts := {column.name for column in table.columns if isinstance(column.type, JsonText | Text) or column.name == "result_file"}:
            there[table.name] = texts
    assert there == {name: others.get(name, set()) | set(references.KEPT.get(name, ())) for name in others.keys() | references.KEPT.keys()}


def test_a_worker_that_does_not_see_the_file_says_which_and_the_cure(site: Site) -> None:
    job = job_of(site.browser(Role.SUBMITTER).fill_in("/actors/archive", photo=part()))
    uploads.path(job.kwargs["photo"]["id"]).unlink()
    with pytest.raises(
        InvalidArguments, match=r"photo: There is no file file_.* set CALLBOARD_UPLOADS_DIR to a folder that all of them share"
    ):
        Signature.of(archive).coerce(job.args, job.kwargs)


assert tests.actors.web

"""A CSV file of rows: invalid rows are shown first, then one job per row, and the file with its outcomes."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
from dramatiq import Message
from sqlalchemy import delete, func, select, update
from werkzeug.test import TestResponse

import tests.actors.web
from src.actor_schema.signature import Signature
from src.audit import queries
from src.formats import spreadsheets
from src.formats.spreadsheets import harmless
from src.jobs.batches import batches
from src.jobs.batches.models import BatchRow
from src.jobs.core.models import Job
from src.jobs.core.states import State, Unique
from src.jobs.options.job_options import JobOptions
from src.jobs.submit import defaults
from src.jobs.submit.defaults import Defaults
from src.jobs.submit.requests import Submission
from src.jobs.submit.submission import submit
from src.operations.jobs import actor_catalogue
from src.operations.people.roles import Role
from src.sql.clock import clock, now
from src.sql.database import Database, read, write
from src.web.forms.batch_sheet import Sheet, UnreadableSheet
from tests.actors.web import Delivery
from tests.harness.jobs import StillClock, message
from tests.harness.site import Site, Visit, in_words

pytestmark = pytest.mark.both_stores

assert tests.actors.web


@pytest.fixture
def visit(site: Site) -> Visit:
    return site.browser(Role.OPERATOR)


def bring(visit: Visit, actor: str, text: str | bytes, name: str = "rows.csv", **more: str) -> TestResponse:
    data = text.encode() if isinstance(text, str) else text
    return visit.fill_in(f"/actors/{actor}/rows", file=(io.BytesIO(data), name), **more)


def press(visit: Visit, page: str, verb: str) -> TestResponse:
    return visit.client.post(f"{page}/{verb}", data=visit.hidden(page, action=f"{page}/{verb}"))


def table(visit: Visit, page: str) -> list[dict[str, str]]:
    header, *rows = spreadsheets.read(visit.get(f"{page}/rows.csv").data)[0]
    return [dict(zip(header, row, strict=True)) for row in rows]


def jobs() -> int:
    with read() as session:
        return session.execute(select(func.count()).select_from(Job)).scalar_one()


def thousand() -> str:
    """1,000 rows, seven of them bad in seven ways."""
    lines = [f"{number},{number % 7 + 1}" for number in range(1, 1001)]
    wrong = {3: "x,1", 99: "", 100: ",5", 250: "1,", 500: "1,2,3", 777: "1.5,2", 998: "7,two", 1000: 'NaN,"1"'}
    for number, line in wrong.items():
        lines[number - 1] = line
    return "\n".join(["x,y", *lines])


@pytest.mark.long
def test_a_thousand_rows_with_seven_bad_ones_are_looked_through_submitted_once_and_given_back(visit: Visit) -> None:
    page = bring(visit, "add", thousand()).location
    shown = in_words(visit.get(page).text)
    assert "992 of 999 rows are valid." in shown  # the empty line does not count
    assert list(re.findall(r"Row (\d+) [xy]? ?(?:Required|Enter|The row has)", shown)) == [
        "4",
        "101",
        "251",
        "501",
        "778",
        "999",
        "1001",
    ]
    assert "Row 4 x Enter a whole number." in shown
    assert "Row 501 The row has 3 cells, the header 2" in shown
    assert jobs() == 0

    hidden = visit.hidden(page, action=f"{page}/submit")
    for _ in range(2):  # a double click
        assert visit.client.post(f"{page}/submit", data=hidden).status_code == 303
    assert jobs() == 992
    assert "0 of 992 finished 7 invalid rows not submitted" in in_words(visit.get(page).text)

    with write() as session:
        session.execute(update(Job).values(state=State.SUCCEEDED, result=3, finished_at=now()))
        odd = select(Job.id).order_by(Job.seq.desc()).limit(5).scalar_subquery()
        session.execute(update(Job).where(Job.id.in_(odd)).values(state=State.DEAD, result=None, error="ValueError: =1+1"))
    rows = table(visit, page)
    assert list(rows[0]) == ["x", "y", "callboard_state", "callboard_result", "callboard_error", "callboard_job"]
    assert rows[0] | {"callboard_job": ""} == {
        "x": "1", "y": "2", "callboard_state": "succeeded", "callboard_result": "3", "callboard_error": "", "callboard_job": "",
    }  # fmt: skip
    assert [row["callboard_state"] for row in rows].count("not submitted") == 7
    assert [row["callboard_state"] for row in rows].count("dead") == 5
    assert rows[2]["callboard_error"] == "x: Enter a whole number."

    assert "5 jobs queued again" in in_words(visit.get(press(visit, page, "retry").location).text)
    assert "Cancel remaining jobs" in visit.get(page).text
    press(visit, page, "cancel")
    assert [row["callboard_state"] for row in table(visit, page)].count("cancelled") == 5


def test_columns_of_a_group_leave_its_other_fields_the_default() -> None:
    def ship(to: Delivery = Delivery(street="Main", floor=3)) -> None: ...  # noqa: B008

    _, rows = Sheet(Signature(ship, "ship")).read(b'to,to.floor\n,7\n"{""street"": ""Low""}",\n"{""street"": ""Low""}",7\n')
    assert [row.kwargs for row in rows[:2]] == [{"to": {"street": "Main", "floor": 7}}, {"to": {"street": "Low", "floor": 0}}]
    assert rows[2].problems == [("to", "Give it as a whole or field by field, not both.")]


def test_all_rows_are_submitted_or_none(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    page = bring(visit, "add", "x,y\n1,1\n3,4\n").location
    hidden = visit.hidden(page, action=f"{page}/submit")
    # A deploy between the preview and the submission: the second row is no longer valid.
    changed = Signature(lambda x, y: None, "add")
    monkeypatch.setattr(changed, "check", lambda args, kwargs: Signature(_small, "add").check(args, kwargs))
    monkeypatch.setitem(Signature._known, actor_catalogue.find("add"), changed)
    visit.client.post(f"{page}/submit", data=hidden)
    assert "Nothing submitted. Row 3 is no longer valid" in in_words(visit.get(page).text)
    assert jobs() == 0
    monkeypatch.undo()
    visit.client.post(f"{page}/submit", data=hidden)
    assert jobs() == 2


def _small(x: int, y: bool) -> None: ...


def test_the_page_says_which_files_it_reads(visit: Visit) -> None:
    hint = in_words(visit.get("/actors/add/rows").text).partition("CSV file")[2]
    assert "UTF-8 or UTF-16 with a header row; separated by commas, semicolons, tabs or bars." in hint


def test_a_file_uploaded_twice_by_a_double_click_is_one_draft_and_can_be_deleted(visit: Visit) -> None:
    hidden = visit.hidden("/actors/add/rows")
    pages = {visit.client.post("/actors/add/rows", data={**hidden, "file": (io.BytesIO(b"x,y\n1,2"), "a.csv")}).location for _ in range(2)}
    [page] = pages
    assert press(visit, page, "discard").location == "/actors/add/rows"
    assert visit.get(page).status_code == 404
    with read() as session:
        assert {line.action for line in queries.page(session, queries.Wanted(action="batch.")).lines} == {"batch.discard", "batch.upload"}


def test_a_result_file_is_uploaded_again_and_its_own_columns_are_ignored(visit: Visit) -> None:
    page = bring(visit, "add", "x;y\r\n1;2\r\n", "ärger.csv").location
    again = bring(visit, "add", visit.get(f"{page}/rows.csv").data).location
    assert "1 of 1 row is valid." in in_words(visit.get(again).text)
    assert list(table(visit, again)[0]) == ["x", "y", "callboard_state", "callboard_result", "callboard_error", "callboard_job"]


def test_one_row_is_in_the_singular(visit: Visit) -> None:
    one, two = bring(visit, "add", "x,y\n1,2\n", "one.csv").location, bring(visit, "add", "x,y\n1,2\n3,\n", "two.csv").location
    assert "1 of 1 row is valid." in in_words(visit.get(one).text)
    assert "1 of 2 rows is valid. Fix the other one and" in in_words(visit.get(two).text)
    none = bring(visit, "add", "x,y\n3,\n", "none.csv").location
    assert "0 of 1 row is valid. Fix it and upload the file again." in in_words(visit.get(none).text)
    assert "1 row, uploaded by" in in_words(visit.get("/actors/add?tab=batches").text)
    assert "one.csv add draft of 1 row" in in_words(visit.get("/batches").text)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "The file has no header row."),
        (b"x,y\n", "The file has no rows below the header."),
        (b"x\n1\n", "The required column 'y' is missing."),
        (b"x,y,z\n1,2,3\n", "Unknown column 'z'. The columns are: x, y."),
        (b"x,y,x\n1,2,3\n", "The column 'x' appears twice."),
        ("x,y\n1,\u20ac\n".encode("cp1252"), "The file is not UTF-8."),
        (b"PK\0\0", "This is not a text file."),
        (b'x,y\n"1,2\n', "This is not a CSV file"),
        (b"x,y" + b",callboard_" * 700_000 + b"\n" + b"1,2\n" * 10_000, "The file has 700002 columns; one batch takes at most 500."),
        (b"x,y" + b"," * 8_000_000 + b",z\n1,2\n", "The file has 8000003 columns; one batch takes at most 500."),
        (b"x,y\n" + b"1,2\n" * 10_001, "The file has 10001 rows; one batch takes at most 10000."),
    ],
)
def test_a_file_that_is_no_table_for_the_actor_comes_back_with_the_cure(site: Site, data: bytes, told: str) -> None:
    with pytest.raises(UnreadableSheet, match=re.escape(told)):
        Sheet(Signature.of(actor_catalogue.find("add"))).read(data)


def test_empty_columns_at_the_end_are_ignored(site: Site) -> None:
    header, [row] = Sheet(Signature.of(actor_catalogue.find("add"))).read(b"x,y" + b"," * 16_000 + b"\n1,2" + b"," * 16_000 + b"\n")
    assert (header, row.cells, row.problems) == (["x", "y"], ["1", "2"], ())


def test_the_page_says_why_a_file_cannot_be_read(visit: Visit) -> None:
    answer = bring(visit, "add", "x\n1\n")
    assert answer.status_code == 422
    assert '<a href="#file">The required column &#39;y&#39; is missing' in answer.text
    assert visit.fill_in("/actors/add/rows").status_code == 422
    assert visit.get("/actors/add/rows.csv").text == "x,y\r\n"


def test_cells_become_the_same_values_as_form_fields(site: Site) -> None:
    sheet = Sheet(Signature.of(actor_catalogue.find("order")))
    text = 'items,to.street,to.floor,wrapped,by\n"[{""name"": ""pen""}]",High,3,yes,2030-01-01T10:00Z\n[{"name": 5}],,,maybe,soon\n[],,,,\n'
    header, rows = sheet.read(text.encode())
    assert header == ["items", "to.street", "to.floor", "wrapped", "by"]
    first: dict[str, Any] = {
        "items": [{"name": "pen", "count": 1}], "to": {"street": "High", "floor": 3}, "wrapped": True, "by": "2030-01-01T10:00:00Z",
    }  # fmt: skip
    assert rows[0].kwargs == first
    assert dict(rows[1].problems).keys() == {"items", "wrapped", "by"}
    assert rows[2].kwargs == {"items": []}


def test_secrets_of_a_file_are_kept_sealed_and_never_given_back(visit: Visit, site: Site) -> None:
    page = bring(visit, "unlock", "key,door\nplant3d,front\nplant3d,=cmd()\n").location
    press(visit, page, "submit")
    with site.database.engine.connect() as connection:
        kept = str([connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in ("batches", "batch_rows", "jobs")])
    file = visit.get(f"{page}/rows.csv")
    for text in (kept, visit.get(page).text, file.text):
        assert "plant3d" not in text
    assert ",'=cmd()," in file.text
    assert [row["door"] for row in table(visit, page)] == ["front", "=cmd()"]
    # The dots that mask a secret are not the secret.
    again = bring(visit, "unlock", file.data).location
    assert "0 of 2 rows are valid." in in_words(visit.get(again).text)


@pytest.mark.parametrize("text", ["=1+1", "+x", "-cmd", "@sum", "\tx", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-5", "+3.25", "-1e9", "x=1", ""])
def test_a_number_stays_a_number(text: str) -> None:
    assert harmless(text) == text


def test_a_batch_is_deleted_when_the_last_of_its_jobs_has_been(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    still = StillClock()
    monkeypatch.setattr(clock, "now", still.now)
    with database.write() as session:
        rows = [batches.Row(number, ["x"], [number], {}) for number in (2, 3)]
        for id in ("waits", "over"):
            batches.draft(session, id, actor="add", name="f.csv", header=["x"], rows=rows, by="anna")
            batches.take(session, id, by="anna")
            batches.submit_rows(
                session, id, {row.number: Submission(message(row.number), due_at=now() + timedelta(days=300)) for row in rows}
            )
        session.execute(
            delete(Job).where(Job.id.in_(select(BatchRow.job_id).where((BatchRow.batch_id == "over") | (BatchRow.number == 2))))
        )
    still.forward(181 * 86_400)

    with database.write() as session:
        batches.prune(session)

        assert batches.figures(session, "waits").unfinished == 1
        assert session.execute(select(BatchRow.batch_id).distinct()).scalars().all() == ["waits"]
        session.execute(delete(Job))
        batches.prune(session)
        with pytest.raises(batches.UnknownBatch):
            batches.find(session, "waits")


def test_a_batch_leaves_jobs_of_others_that_stand_for_its_rows_alone(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(defaults._declared, "add", Defaults(JobOptions(unique_until=Unique.FINISHED)))
    with write() as session:
        other = submit(session, Message("default", "add", (), {"x": 1, "y": 2}, {})).id
    page = bring(visit, "add", "x,y\n1,2\n3,4\n3,4\n").location

    said = in_words(visit.get(press(visit, page, "submit").location).text)

    assert "1 job submitted; for 2 rows a job of their unique key stands." in said
    assert "0 of 1 finished" in said
    rows = table(visit, page)
    assert rows[0]["callboard_job"] == other
    assert rows[1]["callboard_job"] == rows[2]["callboard_job"]
    assert "a job of its unique key stands for it" in rows[0]["callboard_error"]
    press(visit, page, "cancel")
    with read() as session:
        states = dict(session.execute(select(Job.id, Job.state)).all())
    assert states == {other: State.QUEUED, rows[1]["callboard_job"]: State.CANCELLED}


def test_a_submitter_cannot_cancel_a_batch(site: Site) -> None:
    page = bring(site.browser(Role.SUBMITTER), "add", "x,y\n1,2\n").location
    assert "Submit 1 job<" in site.browser(Role.SUBMITTER).get(page).text
    assert "Submit 1 job<" not in site.browser(Role.VIEWER).get(page).text

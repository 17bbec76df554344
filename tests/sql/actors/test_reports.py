"""Reports describe what happened, in every output format."""

from __future__ import annotations

import csv
import io
import random
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from src.actors import publishing
from src.actors.accounts import UserAccount
from src.actors.reports import daily_operations, users_report, weekly_operations
from src.jobs import State
from src.jobs.attempts.current_job import RunningJob
from src.jobs.core.models import Attempt, Job
from src.jobs.read import statistics
from src.mail import deliveries, reading
from src.reports import archive, charts, forms, numbers, pdf
from src.reports.document import Chart, Column, Document, Figure, Figures, Series, Table, Tone, Words
from src.settings import get_settings
from src.sql.clock import now
from src.sql.database import Database
from tests.harness.jobs import all_claimed, claimed, ended, hired, settle

pytestmark = pytest.mark.both_stores

NOW = datetime(2026, 3, 18, 12, 30, tzinfo=UTC)


def document_of(actor: Any, *args: Any) -> Document:
    """Return the document of the report's function."""
    made = actor.fn.__wrapped__(*args)
    assert isinstance(made, Document)
    return made


def block(document: Document, title: str) -> Any:
    return next(each for each in document.blocks if getattr(each, "title", "") == title)


def lived(
    database: Database, actor: str, state: State, *, at: datetime, seconds: float = 1.0, waited: float = 0.0, error: str | None = None
) -> None:
    """A job that ended then, after an attempt of so many seconds."""
    worker = hired(database, actors=[actor])
    one = claimed(database, worker, actor=actor)
    settle(database, worker, ended(one, state, actor=actor, error=error, failures=int(error is not None)))
    begun = at - timedelta(seconds=seconds)
    with database.write() as session:
        values: dict[str, Any] = {"finished_at": at, "started_at": begun, "created_at": begun - timedelta(seconds=waited)}
        session.execute(update(Job).where(Job.seq == one.seq).values(**values))
        session.execute(update(Attempt).where(Attempt.job_seq == one.seq).values(finished_at=at, started_at=begun))


def test_the_operations_of_a_day(database: Database) -> None:
    day = date(2026, 3, 17)
    noon = datetime(2026, 3, 17, 12, 0, 5, tzinfo=UTC)
    for number in range(5):
        lived(database, "quick", State.SUCCEEDED, at=noon, seconds=0.1 * (number + 1), waited=2)
    lived(database, "slow", State.SUCCEEDED, at=noon + timedelta(hours=3), seconds=600)
    lived(database, "slow", State.DEAD, at=noon + timedelta(hours=3), error="ValueError: no order 17")
    lived(database, "slow", State.SUCCEEDED, at=noon - timedelta(days=1))
    lived(database, "slow", State.SUCCEEDED, at=datetime(2026, 3, 18, tzinfo=UTC))  # the first instant of the next day

    made = document_of(daily_operations, day)

    assert made.summary == "Daily operations: 6 ok, 1 dead"
    assert made.period == "17 Mar 2026 00:00 to 18 Mar 2026 00:00, UTC"
    over_time = block(made, "Jobs that ended, per hour")
    assert len(over_time.labels) == 24
    assert [(over_time.labels[at], value) for at, value in enumerate(over_time.series[0].values) if value] == [("12:00", 5), ("15:00", 1)]
    actors = block(made, "Actors")
    assert [row[:3] for row in actors.rows] == [("slow", 1, 1), ("quick", 5, 0)], "who has dead jobs comes first"
    assert block(made, "Slowest jobs").rows[0][0] == "slow"
    assert block(made, "Slowest jobs").rows[0][3] == "10 min"
    assert [row[:2] for row in block(made, "Kinds of failures").rows] == [("ValueError", "no order N")]
    assert block(made, "Waiting in queues").rows[0][:2] == ("default", 7)
    weekly = document_of(weekly_operations, date(2026, 3, 12))
    assert weekly.summary == "Weekly operations: 8 ok, 1 dead"


def columns_of(document: Document, title: str) -> list[tuple[str, float]]:
    """Return the labels and values of a chart's columns that are not 0."""
    chart = block(document, title)
    return [(label, value) for label, value in zip(chart.labels, chart.series[0].values, strict=True) if value]


def test_a_day_and_a_week_with_a_change_of_the_clock_have_their_own_length(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_TIMEZONE", "Europe/Berlin")
    get_settings.cache_clear()
    zone = ZoneInfo("Europe/Berlin")
    times = ["2026-03-29T09:30", "2026-10-18T00:30", "2026-10-18T23:30", "2026-10-25T00:30", "2026-10-25T09:30", "2026-10-25T23:30"]
    for time in times:
        lived(database, "quick", State.SUCCEEDED, at=datetime.fromisoformat(time).replace(tzinfo=zone))

    spring = document_of(daily_operations, date(2026, 3, 29))
    autumn = document_of(daily_operations, date(2026, 10, 25))
    week = document_of(weekly_operations, date(2026, 10, 19))

    assert columns_of(spring, "Jobs that ended, per hour") == [("09:00", 1)]
    assert columns_of(autumn, "Jobs that ended, per hour") == [("00:00", 1), ("09:00", 1), ("23:00", 1)]
    assert [len(block(each, "Jobs that ended, per hour").labels) for each in (spring, autumn)] == [23, 25]
    assert columns_of(week, "Jobs that ended, per day") == [("Sun 25", 3)]
    assert block(week, "Jobs that ended, per day").labels == tuple(
        f"{day} {number}" for number, day in enumerate(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], 19)
    )
    assert columns_of(document_of(weekly_operations, date(2026, 10, 24)), "Jobs that ended, per day") == [("Sun 25", 3)]
    headlines: list[Any] = [made.blocks[0] for made in (autumn, week)]
    assert [each.figures[0].note for each in headlines] == ["before: 0", "+50 %"]
    assert week.period == "19 Oct 2026 00:00 to 26 Oct 2026 00:00, Europe/Berlin"


def test_quantiles_are_within_the_bucket_of_the_true_ones(database: Database) -> None:
    generator = random.Random(7)
    durations = [generator.expovariate(1 / 3) for _ in range(150)]
    worker = hired(database, actors=["spread"])
    ones = all_claimed(database, worker, len(durations), actor="spread")
    settle(database, worker, *[ended(one, actor="spread") for one in ones])
    with database.write() as session:
        for one, duration in zip(ones, durations, strict=True):
            begun = NOW - timedelta(seconds=duration)
            session.execute(update(Job).where(Job.seq == one.seq).values(finished_at=NOW, started_at=begun, created_at=begun))
            session.execute(update(Attempt).where(Attempt.job_seq == one.seq).values(finished_at=NOW, started_at=begun))
    with database.read() as session:
        spread = statistics.runs(session, NOW - timedelta(hours=1), NOW + timedelta(hours=1))["spread"]
    durations.sort()
    assert spread.count == 150
    assert spread.longest == pytest.approx(durations[-1], abs=1e-5)
    for estimate, true in ((spread.median, durations[74]), (spread.p95, durations[142])):
        assert true / 2.5 < estimate < true * 2.5


def test_a_report_is_kept_and_mailed_in_one_commit(database: Database, running: RunningJob) -> None:
    lived(database, "quick", State.SUCCEEDED, at=now())
    result = daily_operations()
    running.session.rollback()
    with database.read() as session:
        assert archive.shelves(session) == []
        assert deliveries.page(session).mails == []

    result = daily_operations()
    running.session.commit()

    _, name, id = result["report"].strip("/").split("/")
    with database.read() as session:
        report = archive.find(session, name, id)
        assert archive.document_of(session, report).summary == report.summary
        assert (archive.pdf_of(session, report) or b"").startswith(b"%PDF")
        letter = reading.read(deliveries.raw_of(session, report.mail_id or "") or b"")
    assert ("List-Id", "<daily-operations.localhost>") in letter.headers
    assert result["report"] in (letter.text or "")
    assert [part.filename.rpartition(".")[2] for part in letter.parts] == ["csv", "pdf"]


@pytest.mark.parametrize(
    ("name", "list_name", "file"),
    [
        ("orders_Report__x", "orders-report--x", "orders_Report__x"),
        ("shop.orders", "shop-orders", "shop.orders"),
        ("_daily", "daily", "_daily"),
        ("täglich", "t-glich", "täglich"),
        ("reports/daily:\x07", "reports-daily--", "reports-daily--"),
        ("日報", "report", "日報"),
        ("x" * 200, "x" * 60, "x" * 150),
    ],
)
def test_a_report_of_any_name_and_summary_is_kept_and_mailed(
    database: Database, running: RunningJob, name: str, list_name: str, file: str
) -> None:
    summary = "two\nlines \x07" + "x" * 600
    rules = publishing._Rules(name, ["ada@example.com"], only_if_changed=False, only_if_not_empty=False)
    result = publishing._publish(sample(summary=summary, blocks=()), rules)
    running.session.commit()
    with database.read() as session:
        report = archive.newest(session, name)
        assert report is not None
        assert report.summary == summary
        letter = reading.read(deliveries.raw_of(session, result["mail"]) or b"")
        mail = deliveries.find(session, result["mail"])
    assert mail is not None
    assert mail.subject == f"two lines {'x' * 490}"
    assert dict(letter.headers)["List-Id"].strip() == f"<{list_name}.localhost>"
    assert letter.parts[0].filename == f"{file}-2026-03-18.csv"


def test_only_if_changed_and_only_if_not_empty(database: Database, running: RunningJob) -> None:
    assert users_report() == {"skipped": "there is nothing to report"}
    with database.write() as session:
        session.add(UserAccount(username="ada", email="ada@example.com", password_hash="x", joined_at=now()))
    first = users_report()
    running.session.commit()
    assert first["summary"] == "Users: 1 new in 30 days, 1 in all"
    assert users_report() == {"skipped": "nothing has changed", "report": first["report"]}
    with database.write() as session:
        session.add(UserAccount(username="bob", email="bob@example.com", password_hash="x", joined_at=now()))
    assert users_report()["report"] != first["report"]
    running.session.commit()
    assert users_report(days=1)["summary"] == "Users: 2 new in 1 day, 2 in all"
    running.session.commit()


def test_without_pango_everything_but_the_pdf_is_created(database: Database, running: RunningJob, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_html: str) -> bytes:
        raise pdf.NoPdf("PDFs need Pango, which is not installed:  sudo apt-get install libpango")

    monkeypatch.setattr(pdf, "make", missing)
    result = daily_operations()
    running.session.commit()
    _, name, id = result["report"].strip("/").split("/")
    with database.read() as session:
        report = archive.find(session, name, id)
        letter = reading.read(deliveries.raw_of(session, report.mail_id or "") or b"")
    assert report.pdf_note is not None
    assert "apt-get install" in report.pdf_note
    assert len(letter.parts) == 1


def sample(**values: Any) -> Document:
    evil = "<script>alert('x')</script> & \"q\" =1+1"
    blocks = (
        Words(title=evil, text=f"{evil}\n\nsecond"),
        Figures(figures=(Figure(label=evil, value=evil, note=evil, tone=Tone.BAD),)),
        Table(
            title=evil,
            columns=(Column(name=evil), Column(name="n", number=True)),
            rows=(("=cmd()", 1), (evil, None)),
            links=("/jobs/1", None),
        ),
        Chart(
            title=evil, labels=(evil, "b"), series=(Series(name=evil, values=(1, 2)), Series(name="other", values=(0, 0.5), tone=Tone.BAD))
        ),
        Chart(title="bars", shape="bars", labels=("a" * 200, "b"), series=(Series(name="x", values=(1_234_567, 0)),)),
        Chart(title="none", labels=("a",), series=(Series(name="x", values=(0,)),)),
    )
    return Document(**{"title": evil, "summary": "s", "period": evil, "made_at": NOW, "blocks": blocks} | values)


def test_nothing_in_a_document_is_markup_a_formula_or_lost() -> None:
    made = sample()
    html, pictures = forms.mail(made, base="http://x", url="http://x/reports/a/1")
    paper = forms.paper(made, base="http://x", url="http://x/reports/a/1")
    page = forms.blocks(made)
    for form in (html, paper, page):
        assert "<script" not in form
        assert "alert(&#39;x&#39;)" in form or "alert(&#x27;x&#x27;)" in form
    assert set(pictures) == {"chart-3", "chart-4"}
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())
    assert pdf.make(paper).startswith(b"%PDF")
    rows = list(csv.reader(io.StringIO(forms.spreadsheet(made).decode("utf-8-sig"))))
    assert ["'=cmd()", "1"] in rows
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    text = forms.text(made)
    assert "1\u202f234\u202f567" in text
    assert Document.model_validate_json(made.model_dump_json()) == made


def test_a_page_holds_no_style_that_the_policy_forbids() -> None:
    page = forms.blocks(sample())
    assert "style=" not in page
    assert "<style" not in page


def test_reports_with_the_same_content_have_the_same_digest() -> None:
    assert sample().digest == sample(made_at=NOW + timedelta(days=1), period="later").digest
    assert sample().digest != sample(blocks=sample().blocks[:2]).digest
    assert sample(same_as="1").digest == sample(same_as="1", blocks=()).digest


def test_uneven_tables_and_charts_are_refused() -> None:
    with pytest.raises(ValueError, match="needs 1 cells"):
        Table(title="t", columns=(Column(name="a"),), rows=((1, 2),))
    with pytest.raises(ValueError, match="needs 2 values"):
        Chart(title="c", labels=("a", "b"), series=(Series(name="s", values=(1,)),))


def test_cells_and_values_keep_their_digits() -> None:
    table = Table(
        title="Revenue",
        columns=(Column(name="Item"), *(Column(name=name, number=True) for name in ("EUR", "rate", "sold", "new"))),
        rows=(("tea", 19.99, 0.0425, 2026, True), ("cup", 0.04, 0.1 + 0.2, 12_345_678_901_234_567, False), ("pot", -3.5, 1e-9, 0, None)),
    )
    rate = Chart(title="Rate", labels=("a", "b"), series=(Series(name="rate", values=(0.04, 0.125)),))
    made = sample(blocks=(table, rate))
    text, page = forms.text(made), forms.blocks(made)
    assert [re.split(" +", line.strip()) for line in text.splitlines() if line.startswith(("  tea", "  cup", "  pot"))] == [
        ["tea", "19.99", "0.0425", "2\u202f026", "True"],
        ["cup", "0.04", "0.3", "12\u202f345\u202f678\u202f901\u202f234\u202f567", "False"],
        ["pot", "-3.5", "1e-09", "0", "–"],
    ]
    assert "Rate: a 0.04, b 0.125" in text
    for value in ("19.99", "0.0425", "0.04", "0.125", "True"):
        assert f">{value}</td>" in page
    assert Document.model_validate_json(made.model_dump_json()) == made


def rectangles(chart: Chart) -> list[tuple[float, ...]]:
    """Return left, top, right and bottom of what stands for values in the drawing of a chart."""
    found = re.findall(r'<rect x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)" fill', charts.svg(chart, charts.ON_PAPER))
    return [(x, y, x + width, y + height) for x, y, width, height in (map(float, each) for each in found)]


@pytest.mark.parametrize("values", [(-5.0, -3.0), (-5.0, 3.0), (5.0, -1.0)])
def test_values_below_zero_are_drawn_on_the_other_side(values: tuple[float, float]) -> None:
    def drawn(shape: Any) -> list[tuple[float, ...]]:
        return rectangles(Chart(title="c", shape=shape, labels=("a", "b"), series=(Series(name="s", values=values),)))

    columns, bars = drawn("columns"), drawn("bars")
    for left, top, right, bottom in (*columns, *bars):
        assert 0 <= left < right <= charts.WIDTH
        assert 0 <= top < bottom <= charts.HEIGHT
    for zeros in (
        [bottom if value > 0 else top for value, (_, top, _, bottom) in zip(values, columns, strict=True)],
        [left if value > 0 else right for value, (left, _, right, _) in zip(values, bars, strict=True)],
    ):
        assert zeros[0] == pytest.approx(zeros[1], abs=0.2)
    lengths = [(bottom - top, right - left) for (_, top, _, bottom), (left, _, right, _) in zip(columns, bars, strict=True)]
    for one, other in zip(*lengths, strict=True):
        assert one / other == pytest.approx(abs(values[0] / values[1]), rel=0.02)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_chart_of_values_that_are_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="the values of the chart 'c' must be finite numbers"):
        Chart(title="c", labels=("a", "b"), series=(Series(name="s", values=(value, 1.0)),))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((0, 0), (0, 1)),
        ((5e-324,), (0, 1)),
        ((1,), (0, 0.25, 0.5, 0.75, 1.0)),
        ((7,), (0, 2, 4, 6, 8)),
        ((368,), (0, 100, 200, 300, 400)),
        ((4_000_001,), (0, 2_000_000, 4_000_000, 6_000_000)),
    ],
)
def test_axes_have_round_numbers_and_room(values: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert tuple(charts.round_ticks(max(values))) == expected


def test_numbers_are_written_for_people() -> None:
    assert numbers.count(1204) == "1\u202f204"
    assert [numbers.share(part, whole) for part, whole in ((0, 0), (1, 1), (9999, 10000), (1, 10000), (1, 2), (0, 5))] == [
        "–", "100 %", "> 99.9 %", "< 0.1 %", "50.0 %", "0 %",
    ]  # fmt: skip
    assert [numbers.duration(seconds) for seconds in (0.0004, 0.5, 59.94, 61, 3700, 200_000)] == [
        "0 ms",
        "500 ms",
        "59.9 s",
        "1 min 1 s",
        "1 h 2 min",
        "2 d 8 h",
    ]
    assert [numbers.change(*pair) for pair in ((5, 5), (10, 5), (1, 4), (3, 0))] == ["as before", "+100 %", "−75 %", "before: 0"]


def test_old_issues_go_but_never_the_newest(database: Database, running: RunningJob) -> None:
    made = []
    for _ in range(3):
        made.append(daily_operations()["report"])
        running.session.commit()
    with database.write() as session:
        session.execute(update(archive.Report).values(made_at=now() - timedelta(days=500)))
    with database.write() as session:
        assert archive.prune(session, keep=timedelta(days=400)) == 2
    with database.read() as session:
        assert [shelf.newest.path for shelf in archive.shelves(session)] == made[-1:]

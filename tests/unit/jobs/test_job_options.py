"""The declarations of job options: each is complete, and every place that names options follows them."""

from __future__ import annotations

import inspect
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy import String

from src.cli.jobs.submit import submit as submit_command
from src.cli.shared.option_flags import job_options
from src.jobs import JobsError, Submission
from src.jobs.control.edits import Edit
from src.jobs.core.models import Job
from src.jobs.core.states import Unique
from src.jobs.options.job_options import FIELDS, OPTIONS, STORED, JobOption, JobOptions, Place
from src.jobs.options.option_kinds import Delay, Instant, Moment, OneOf, OptionKind, Period, Text, Until, Whole
from src.operations.jobs.option_bodies import with_options
from src.operations.jobs.requests.job_bodies import CallBody, EditBody, JobBody
from src.operations.workflows.workflow_request import StepBody
from src.web.forms.option_fields import BY_NAME, field_of

EACH = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
KINDS = [Text(), Whole(0, 9), OneOf(Unique), Delay(), Instant(), Until(), Period()]


def test_submit_takes_the_declared_options_and_these_fields() -> None:
    own = {
        "message", "source", "submitted_by", "workflow_seq", "waits_for", "reason", "takes_results", "trace", "stands_in", "parent_id",
    }  # fmt: skip
    assert set(inspect.signature(Submission).parameters) == own | {option.field for option in OPTIONS}
    assert [each.name for each in fields(JobOptions)] == list(FIELDS)


@EACH
def test_a_stored_option_has_a_column_that_holds_its_values(option: JobOption) -> None:
    columns = Job.__table__.c
    assert not option.stored or option.field in columns
    if option.stored and isinstance(option.kind, Text):
        column = columns[option.field].type
        assert not isinstance(column, String) or column.length is None or column.length >= option.kind.longest


@EACH
def test_each_place_has_the_options_declared_for_it(option: JobOption) -> None:
    assert (option.name in CallBody.model_fields) is (Place.API in option.places)
    assert (option.name in EditBody.model_fields) is (Place.EDIT in option.places)
    assert (option.name in {each.name for each in submit_command.params}) is (Place.COMMAND in option.places)
    if Place.STEP in option.places:
        assert option.name in StepBody.model_fields
    if Place.FORM in option.places:
        assert option.field in BY_NAME
    if Place.COMMAND in option.places:
        assert option.name in JobBody.model_fields, "the command line fills the body of a job"
    if Place.EDIT in option.places:
        assert option.field in {each.name for each in fields(Edit)}


def test_an_option_that_lasts_has_one_name_and_is_no_time() -> None:
    for option in OPTIONS:
        if option.lasting:
            assert option.name == option.field
            assert not isinstance(option.kind, Moment | Period)


def test_an_option_that_needs_another_names_one() -> None:
    assert {option.needs for option in OPTIONS} - {None} <= set(STORED)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
def test_each_kind_has_a_body_a_form_field_and_a_command_line_type(kind: OptionKind, monkeypatch: pytest.MonkeyPatch) -> None:
    option = JobOption(kind, "Any", "Any.", name="any", field="any")
    assert field_of("how-any", option).label == "Any"
    for module in ("src.operations.jobs.option_bodies", "src.cli.shared.option_flags"):
        monkeypatch.setattr(f"{module}.options_at", lambda _: [option])
    assert "any" in with_options(Place.API)(Edited).model_fields
    assert callable(job_options(Place.COMMAND)(lambda: None))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@pytest.mark.parametrize("value", [(), "", "\ud800"], ids=ascii)
def test_a_refused_value_names_the_option_and_the_cure(kind: OptionKind, value: object) -> None:
    for refuse in (kind.check, kind.read):
        with pytest.raises(JobsError, match=r"^note (must be|needs)") as refused:
            refuse("note", value)
        assert refused.value.field == "note"


def test_the_table_of_the_documentation_is_that_of_the_declarations() -> None:
    text = Path("docs/reference/actor-options.md").read_text()
    for option in OPTIONS:
        name = f"`{option.name}`" if option.name == option.field else f"`{option.name}` (`{option.field}`)"
        assert f"| {name} | {option.help} | {', '.join(place for place in Place if place in option.places)} |" in text


class Edited(JobBody):
    """A body that an option is added to."""

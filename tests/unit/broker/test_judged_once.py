"""Arguments that pydantic judges by the present clock or disk are judged at submission, not again by each attempt."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, DirectoryPath, Field, FilePath, FutureDate, FutureDatetime, NewPath, PastDate, PastDatetime

from src.actor_schema.signature import Signature
from src.jobs.core.errors import InvalidArguments

OLD, NEW = "2020-01-02", "2999-01-02"


class Reminder(BaseModel):
    model_config = ConfigDict(extra="forbid")
    now_op: FutureDate
    rest: list[Reminder] = []


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)
    day: FutureDate


@dataclass
class Call:
    at: FutureDatetime


def of(hint: Any) -> Signature:
    def act(x): ...  # type: ignore[no-untyped-def]

    act.__annotations__ = {"x": hint}
    return Signature(act, "act")


DAY = date(2020, 1, 2)
LATER: list[tuple[Any, Any, Any]] = [
    (FutureDate, OLD, DAY),
    (FutureDatetime | None, f"{OLD}T00:00:00Z", datetime(2020, 1, 2, tzinfo=UTC)),
    (PastDate, NEW, date(2999, 1, 2)),
    (PastDatetime, f"{NEW}T00:00:00Z", datetime(2999, 1, 2, tzinfo=UTC)),
    (list[Annotated[FutureDate, Field(description="a day")]], [OLD], [DAY]),
    (
        Reminder,
        {"now_op": OLD, "rest": [{"now_op": OLD}]},
        Reminder.model_construct(now_op=DAY, rest=[Reminder.model_construct(now_op=DAY)]),
    ),
    (dict[str, Reminder], {"a": {"now_op": OLD}}, {"a": Reminder.model_construct(now_op=DAY)}),
    (Strict, {"day": OLD}, Strict.model_construct(day=DAY)),
    (Call, {"at": f"{OLD}T00:00:00Z"}, Call(datetime(2020, 1, 2, tzinfo=UTC))),
]


@pytest.mark.parametrize(("hint", "stored", "value"), LATER, ids=lambda value: str(value)[:40])
def test_a_time_is_not_judged_again_by_an_attempt(hint: Any, stored: Any, value: Any) -> None:
    signature = of(hint)
    assert signature.coerce([stored], {}) == ([value], {})
    with pytest.raises(InvalidArguments):
        signature.check([stored], {})
    with pytest.raises(InvalidArguments):
        signature.coerce(["soon"], {})


@pytest.mark.parametrize("hint", [FilePath, DirectoryPath, NewPath, NewPath | None], ids=str)
def test_a_path_is_not_judged_again_by_an_attempt(hint: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    stored = tmp_path if hint is DirectoryPath else file
    if hint is FilePath:
        file.touch()
    signature = of(hint)
    args, _ = signature.check([str(stored)], {})

    file.unlink() if file.exists() else file.touch()

    if hint is DirectoryPath:
        file.unlink()
        tmp_path.rmdir()
    assert signature.coerce(args, {}) == ([stored], {})
    with pytest.raises(InvalidArguments):
        signature.check(args, {})

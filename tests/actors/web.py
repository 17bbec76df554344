"""Actors for the tests of the web room."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import dramatiq
from pydantic import BaseModel, Field, SecretStr

from src.console import JobView, Markup, actor_tab, job_tab
from src.jobs import Upload, UploadLimits, current_job


@dramatiq.actor(queue_name="linger", max_retries=0)
def linger(looks: int = 2000) -> str:
    """Wait to be cancelled."""
    for look in range(looks):
        time.sleep(0.05)
        current_job.progress(look + 1, looks, f"looked {look + 1} times")
    return "nobody came"


@dramatiq.actor(queue_name="linger", max_retries=0)
def mutter(pauses: int = 4) -> str:
    """Print the instant, wait, and again."""
    for _ in range(pauses):
        print(f"said at {time.time():.3f}")
        time.sleep(1.5)
    return "fell silent"


class Delivery(BaseModel):
    street: str
    floor: Annotated[int, Field(ge=0, le=90)] = 0


@dataclass
class Item:
    name: Annotated[str, Field(max_length=20)]
    count: Annotated[int, Field(ge=1)] = 1


@dramatiq.actor(queue_name="linger", max_retries=0)
def order(items: list[Item], to: Delivery | None = None, wrapped: bool = False, by: datetime | None = None) -> str:
    """Order some items.

    Each item is packed by itself.
    """
    return f"{len(items)} items to {to.street if to else 'the counter'}"


class Login(BaseModel):
    user: str
    password: SecretStr


@dramatiq.actor(queue_name="linger", max_retries=0, unique=True)
def unlock(key: SecretStr, login: Login | None = None, door: str = "front") -> str:
    """Open a door."""
    return f"{door}: {key.get_secret_value()[::-1]} {login.password.get_secret_value()[::-1] if login else ''}"


@dramatiq.actor(queue_name="linger", max_retries=0)
def spill(of: int) -> None:
    """Fail."""
    raise ValueError(of)


class Page(BaseModel):
    scan: Upload
    number: int = 1


@dramatiq.actor(queue_name="linger", max_retries=0)
def archive(
    photo: Annotated[Upload, UploadLimits(accept=("image/*", ".txt"), max_bytes=50_000)],
    papers: list[Upload] | None = None,
    pages: list[Page] | None = None,
) -> str:
    """Put files away."""
    with photo.open() as file:
        return f"{photo.name}: {len(file.read())} bytes, {len(papers or [])} papers, {len(pages or [])} pages"


@job_tab("Notes", "add")
def notes(job: JobView) -> Markup:
    """A tab of a team."""
    return Markup("<p>{} of {}</p>").format(job.id, job.actor)


@actor_tab("Stock", "add")
def stock(name: str) -> str:
    """A tab of a team."""
    return f"12 of {name}"

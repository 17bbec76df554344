"""Random user accounts: the example of most introductions to background jobs."""

from __future__ import annotations

import secrets
import string
from datetime import datetime
from typing import Annotated

import dramatiq
from pydantic import Field
from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column
from werkzeug.security import generate_password_hash

from ..jobs import current_job
from ..sql.clock import now
from ..sql.columns import Base, UtcDateTime

#: a cheap scrypt work factor: these passwords are never typed; the console's own users get argon2
HASH_METHOD = "scrypt:1024:8:1"


class UserAccount(Base):
    """A made-up user."""

    __tablename__ = "user_accounts"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    username: Mapped[str] = mapped_column(String(150), unique=True)
    email: Mapped[str] = mapped_column(String(254))
    password_hash: Mapped[str] = mapped_column(String(255))
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dramatiq.actor(queue_name="accounts", max_retries=3, transactional=True)
def create_random_user_accounts(
    total: Annotated[int, Field(ge=50, le=500, title="How many", description="Between 50 and 500.")],
) -> str:
    """Create random user accounts.

    All or none: they are committed together with the end of the attempt.
    """
    accounts = []
    for done in range(total):
        accounts.append(_random_account())
        current_job.progress(done + 1, total, f"{done + 1} of {total} users made")
    current_job.session.add_all(accounts)
    return f"{total} random users created with success!"


def _random_account() -> UserAccount:
    name = "".join(secrets.choice(string.ascii_letters) for _ in range(10))
    password = secrets.token_urlsafe(38)
    return UserAccount(
        username=name,
        email=f"{name}@example.com",
        password_hash=generate_password_hash(password, method=HASH_METHOD),
        joined_at=now(),
    )

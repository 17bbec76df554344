"""The first administrator and one-time sign-in links, for an operator at a terminal.

Imports no actors: a preloaded parent, which is forked from the supervisor, must import their present code.
"""

from __future__ import annotations


def ensure_admin() -> str | None:
    """Create the user `admin` and return its password; only the first time."""
    from ...operations.people import users  # imported late: argon2 is needed only here

    return users.ensure_admin()


def one_time_link(base_url: str) -> str:
    """Create a one-time sign-in link below `base_url` for the administrator."""
    from ...operations.people import sessions  # imported late: most commands do not need it

    return sessions.one_time_link(base_url)


def link_or(base_url: str) -> str:
    """Create such a link, or return the plain URL if the database is unreachable."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return one_time_link(base_url)
    except SQLAlchemyError:
        return base_url

"""Roles; each includes the permissions of the previous one."""

from __future__ import annotations

from enum import StrEnum

#: names of actors, or prefixes followed by a star, to which a user or token is limited
Patterns = tuple[str, ...]


class Role(StrEnum):
    """The role of a user or token."""

    VIEWER = "viewer"  # may view
    SUBMITTER = "submitter"  # may also submit jobs
    OPERATOR = "operator"  # may also retry, cancel, release, discard
    ADMIN = "admin"  # may also manage users, tokens and webhooks

    def includes(self, other: Role) -> bool:
        """True if this role has the permissions of `other`."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)

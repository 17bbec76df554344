"""The four roles; each includes the permissions of the one before it."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The role of a user or token."""

    VIEWER = "viewer"  # look
    SUBMITTER = "submitter"  # and submit jobs
    OPERATOR = "operator"  # and retry, cancel, release, discard
    ADMIN = "admin"  # and decide who may what

    def includes(self, other: Role) -> bool:
        """True if this role has the permissions of `other`."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)

"""The four roles, each with everything the one before it may do."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody may do."""

    VIEWER = "viewer"  # look
    SUBMITTER = "submitter"  # and submit jobs
    OPERATOR = "operator"  # and retry, cancel, release, discard
    ADMIN = "admin"  # and decide who may what

    def includes(self, other: Role) -> bool:
        """May this role do what `other` may?"""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)

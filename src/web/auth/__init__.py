"""Authentication and authorisation of requests: sign-in pages, trusted proxies, throttling, and the rule of each view.

Denied by default: a view without a rule rejects every request (access.py). `allow(Role…)` or `open_to_all` sets the rule.
"""

from .access import allow, open_to_all, streamed, visitor

__all__ = ["allow", "open_to_all", "streamed", "visitor"]

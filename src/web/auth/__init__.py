"""Who looks, who asks: users, browser sessions, API tokens, and the one authorisation layer for pages and API.

Denied by default: a view without a rule answers nobody (access.py); `allow(Role…)` or `open_to_all` is its rule.
"""

from src.web.auth.caller import Caller, allow, open_to_all, visitor
from src.web.auth.sessions import one_time_link
from src.web.auth.tokens import create_token
from src.web.auth.users import ensure_admin
from src.web.roles import Role

__all__ = ["Caller", "Role", "allow", "create_token", "ensure_admin", "one_time_link", "open_to_all", "visitor"]

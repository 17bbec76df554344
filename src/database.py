"""The database for application code: `from src.database import read, write`.

Inside Callboard, import from src.sql.
"""

from .sql.clock import now
from .sql.columns import Base, JsonText, UtcDateTime
from .sql.database import get_database, read, write

__all__ = ["Base", "JsonText", "UtcDateTime", "get_database", "now", "read", "write"]

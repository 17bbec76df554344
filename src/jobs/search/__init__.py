"""Search for jobs: one query language for pages, API, commands and bulk actions.

grammar.py splits a query into terms and reports syntax errors; fields.py defines the search fields; query.py is a
parsed query, as SQL and in words; pages.py finds and counts within a time budget, however many jobs there are; texts.py
keeps the arguments searchable.
"""

from .grammar import QueryError
from .pages import Found, Tally, count, find, tally, tally_of, tally_of_states
from .query import Query, parse

__all__ = ["Found", "Query", "QueryError", "Tally", "count", "find", "parse", "tally", "tally_of", "tally_of_states"]

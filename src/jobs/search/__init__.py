"""WHICH jobs? One query language for pages, API, commands and what is done to many jobs at once.

grammar.py cuts a text into terms and says where it is wrong; fields.py knows what can be asked for; query.py is a parsed text, as SQL and
in words; pages.py finds and counts within a budget of time, however many jobs there are; texts.py keeps the arguments searchable.
"""

from .grammar import QueryError
from .pages import Found, Tally, count, find, tally, tally_of
from .query import Query, parse

__all__ = ["Found", "Query", "QueryError", "Tally", "count", "find", "parse", "tally", "tally_of"]

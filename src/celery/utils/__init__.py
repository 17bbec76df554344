"""Helpers with Celery's names, as far as applications use them.

Imports base.
"""

from functools import cached_property

from ..base.modules import absent
from .functional import chunks, noop
from .ids import uuid
from .imports import gen_task_name, instantiate, qualname, symbol_by_name
from .log import LOG_LEVELS

gen_unique_id = uuid
get_cls_by_name = symbol_by_name
get_full_cls_name = qualname

__all__ = [
    "LOG_LEVELS",
    "cached_property",
    "chunks",
    "gen_task_name",
    "gen_unique_id",
    "get_cls_by_name",
    "get_full_cls_name",
    "instantiate",
    "noop",
    "uuid",
]

__getattr__ = absent(__name__)

"""Results with Celery's names, read from jobs' rows.

Imports core and below.
"""

from ..base.modules import absent
from .async_result import AsyncResult, allow_join_result
from .eager import EagerResult
from .sets import GroupResult, ResultSet, result_from_tuple

__all__ = ["AsyncResult", "EagerResult", "GroupResult", "ResultSet", "allow_join_result", "result_from_tuple"]

__getattr__ = absent(__name__)

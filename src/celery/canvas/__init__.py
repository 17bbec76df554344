"""Canvas with Celery's names: signatures and shapes, laid out as the steps of one workflow when they are sent.

Imports result and below.
"""

from ..base.modules import absent
from . import layout, stamping
from .elements import chunks, xmap, xstarmap
from .factories import maybe_signature, signature, subtask
from .shapes import chain, chord, group
from .signatures import Signature, sender, stamper
from .stamping import StampingVisitor

__all__ = [
    "Signature",
    "StampingVisitor",
    "chain",
    "chord",
    "chunks",
    "group",
    "maybe_signature",
    "signature",
    "subtask",
    "xmap",
    "xstarmap",
]

sender.connect(layout.send)
stamper.connect(stamping.stamp)

__getattr__ = absent(__name__)

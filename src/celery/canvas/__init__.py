"""Canvas with Celery's names: signatures and shapes, laid out as the steps of one workflow when they are sent.

Imports result and below.
"""

from . import layout
from .factories import maybe_signature, signature, subtask
from .shapes import chain, chord, chunks, group, xmap, xstarmap
from .signatures import Signature, sender

__all__ = ["Signature", "chain", "chord", "chunks", "group", "maybe_signature", "signature", "subtask", "xmap", "xstarmap"]

sender.connect(layout.send)

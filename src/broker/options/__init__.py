"""Options of an actor: one middleware per option, which validates it at import and answers questions about it.

Imports `compat` and `core`.
"""

"""Options of an actor: one middleware per option, which checks it at import and answers questions about it.

Imports `compat` and `core`.
"""

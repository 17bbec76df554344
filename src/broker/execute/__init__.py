"""Execution: one attempt from its start to its committed end: hooks, actor, interrupts, decision, commit.

Imports `consume`, `options` and `core`. The pool of child processes is a Protocol here.
"""

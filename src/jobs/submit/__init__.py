"""Submission: the one way in; a message and its options become a row in the caller's transaction.

Imports core and limits.
"""

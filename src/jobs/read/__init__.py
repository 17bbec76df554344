"""Queries about jobs: single rows and statistics. Writes nothing.

Imports core.
"""

"""Dramatiq's own interfaces on SQL: its result backend and its rate limiter backend.

Imports only `core`.
"""

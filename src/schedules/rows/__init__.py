"""Schedules and ticks as rows: tables, drafts, declarations, queries, overlaps and deadlines.

Imports rules.
"""

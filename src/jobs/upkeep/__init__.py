"""Upkeep of the tables: retention, and a database restored from a backup.

Imports finish and below.
"""

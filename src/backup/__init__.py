"""Backups of the database: created, verified, pruned, restored.

The law of this room: a copy counts only after it has been read back; a restore never begins while anything runs, and
nothing that it replaces is deleted. It knows the two stores, and of jobs only the function that marks a restored
database.
"""

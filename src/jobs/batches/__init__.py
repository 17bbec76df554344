"""Batches: many submissions from one file, with their progress as a whole.

Imports control and below.
"""

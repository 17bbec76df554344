"""Failures: fingerprints counted into error groups, and what people do about a group.

Imports submit, search and below.
"""

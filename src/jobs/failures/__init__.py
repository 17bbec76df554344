"""Failures: fingerprints counted into error groups, and operators' actions on a group.

Imports submit, search and below.
"""

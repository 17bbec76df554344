"""The job itself: tables, states, errors, message envelopes, and values that every district shares.

Imports no other district.
"""

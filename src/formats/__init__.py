"""Text formats of every room: numbers and durations, CSV, URL segments.

The law of this room: values and texts only. Imports no other room.
"""

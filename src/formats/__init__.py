"""Text formats of every room: numbers and durations, CSV, URL segments, control characters.

The law of this room: values and texts only. Imports no other room.
"""

"""Formats and parsers: times, durations, list filters, request bodies, JSON. Imports no other district."""

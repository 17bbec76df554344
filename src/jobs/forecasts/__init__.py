"""Forecasts: when a waiting job starts and ends, how often that was right, and when a backlog is drained.

`model`, `calibration` and `clearing` compute with numbers alone; the other modules read them from SQL and keep the record.
"""

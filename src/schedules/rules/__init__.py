"""Time rules: cron expressions, time zones, instants and previews.

Calendar arithmetic only; imports no other district and no table.
"""

"""Documents of jobs that page, API and terminal show: rows, context, timelines, forecasts, lineage, logs, comparisons.

Imports the actors, options and rows beside it, and the districts below jobs; changes nothing.
"""

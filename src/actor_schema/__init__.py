"""Actor schema: one schema of an actor's arguments and result for its form, API, command and pre-run check.

The law of this room: it reads Python signatures and values, and knows neither messages nor requests. Imports jobs and
below.
"""

"""What an actor accepts and returns: one schema behind its form, its API, its command and the check before it runs.

The law of this room: it reads Python signatures and values, and knows neither messages nor requests. Imports jobs and below.
"""

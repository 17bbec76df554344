"""Demo shop of `./run demo`: actors, console extensions, and a week of made-up history.

Imports what an application's modules of actors may import, and the tables that the history is written into.
"""

"""A database with millions of final jobs: filled in SQL, then compared with an empty one.

Each module but `filling` is a measurement with a `main`; `python -m bench.ledger` is the command line.
"""

"""HOW does it all run on one machine?

This room sets up, starts, watches and stops the processes of one data folder; it knows nothing about jobs. `environment` and
`packages` run before any Python package is installed: they import the standard library only.
"""

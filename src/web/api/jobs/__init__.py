"""Routes about jobs: submit, list, act, logs, results, files, events. Imports requests."""

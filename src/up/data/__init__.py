"""Data folder: files, ports, settings, logs and processes. Imports only errors and locations."""

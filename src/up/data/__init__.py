"""The data folder: where its files lie, its ports, its settings, its logs, and which processes run in it. Imports only errors and locations."""

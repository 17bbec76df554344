"""Actors that tests run, one module per room."""

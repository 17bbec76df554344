"""Shared parts of the API routes: blueprint, conditional requests, rate limit. Imports no other part of the API."""

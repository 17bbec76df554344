"""Audit log: filters, and documents of entries. Imports format."""

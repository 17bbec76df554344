"""Filters of the audit and documents of its entries. Imports format."""

"""Filters, macros and drawings for templates. Imports live, http, forms and auth."""

"""Requests and responses: errors, headers, cookies, uploads, exports, probes. Imports forms and auth."""

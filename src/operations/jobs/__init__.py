"""Submit, edit and show jobs, one or many: requests, checks, and documents. Imports arguments, audit, people, format."""

"""HTML forms: of a new job, an edit, a re-run, a schedule, a sheet of rows. Each shows fields and turns what was sent into a request."""

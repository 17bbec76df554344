"""HTML forms of a new job, an edit, a re-run, a schedule and a batch. Each renders fields and parses the submitted ones."""

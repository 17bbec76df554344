"""/admin: who may do what, who did what, and what is set. One module per page; for the role admin alone."""

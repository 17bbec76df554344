"""HOW does everything come back? Copies of the database: made, verified, pruned, restored.

The law of this room: a copy counts only once it has been read back; a restore never begins while anything runs, and nothing that is
replaced is deleted. It knows the two stores, and of jobs only the door by which a restored database is told what it is.
"""

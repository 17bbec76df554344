"""One module per contestant: its worker's no-op, and the commands that submit to it (`python -m bench.sides.… VERB`)."""

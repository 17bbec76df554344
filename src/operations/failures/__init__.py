"""Documents of error groups and dead letters. Imports jobs and the districts below it."""

"""Steps of single verbs: detach, stop, print the sign-in line, make the first administrator. Imports checks, parts and data."""

"""Steps of single verbs: detach, stop, print the sign-in line, create the first administrator. Imports checks, parts and data."""

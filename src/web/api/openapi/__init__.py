"""The OpenAPI document, made from the registered routes and their types. Imports requests."""

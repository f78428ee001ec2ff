"""The HTTP routes, a file for each resource, and next to each its part of the OpenAPI document.

The document is made for one address only: no route file imports its part of it, since every function loads the routes.
"""

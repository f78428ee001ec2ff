"""The HTTP routes: a file for each resource, and next to it the part of the OpenAPI document.

Every Lambda function loads the routes, so they do not import their part: only a request for the document needs it.
"""

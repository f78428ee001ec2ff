"""The capacity of the service on AWS: which limit is reached first, and at which load."""

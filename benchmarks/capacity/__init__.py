"""How far this shape goes on AWS: which limit bites first, and at which load."""

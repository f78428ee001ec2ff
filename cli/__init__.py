"""`dag`: the command line, for local and deployed stacks. It speaks HTTP and nothing else. Not deployed itself."""

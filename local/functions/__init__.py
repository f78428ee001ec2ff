"""Lambda functions on this machine: the packaged zip, run in separate processes as AWS would run it."""

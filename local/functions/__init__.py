"""Lambda functions on this machine: the packaged zip in processes of its own, as AWS would run it."""

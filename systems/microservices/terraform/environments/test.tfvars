# Only this environment, in a state of its own.
environments = ["test"]

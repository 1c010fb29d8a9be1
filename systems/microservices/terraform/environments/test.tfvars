# One environment alone. They share network and load balancer, so do not give each a state of its own.
environments = ["test"]

# One environment alone. The three share network and load balancer, so do not give each a state of its own.
environments = ["production"]

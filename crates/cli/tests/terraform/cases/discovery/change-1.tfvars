ttl  = 30
team = "web"
description = "All names of the shop"

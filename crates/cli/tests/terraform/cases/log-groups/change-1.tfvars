retention = 30
team      = "web"

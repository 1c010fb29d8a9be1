threshold = 70
retention = 30
widget    = "CPU of web"
pattern   = "ECS Deployment State Change"
limit     = "150.5"
team      = "web"

max    = 6
target = 70
step   = 2
night  = 2
team   = "web"

mutability = "IMMUTABLE"
scan       = false
keep       = 3
team       = "web"

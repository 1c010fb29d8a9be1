# replaces: aws_ecr_lifecycle_policy.api
mutability = "IMMUTABLE"
scan       = false
keep       = 3
team       = "web"

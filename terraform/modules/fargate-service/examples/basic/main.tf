provider "aws" {
  region = "eu-west-2"
}

variable "private_subnet_ids" {
  type = list(string)
}

variable "task_security_group_id" {
  type = string
}

variable "database_secret_arn" {
  type = string
}

# Creates a log group, two roles, the task definition, the service and its scaling.
module "api" {
  source = "../.."

  name       = "shop-prod-api"
  cluster    = "shop-prod"
  region     = "eu-west-2"
  account_id = "123456789012"

  image               = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/shop/api:1.4"
  repository_arns     = ["arn:aws:ecr:eu-west-2:123456789012:repository/shop/api"]
  cpu                 = 512
  memory              = 1024
  port                = 8000
  environment         = { LOG_LEVEL = "info" }
  secrets             = { DATABASE_URL = "database:DATABASE_URL" }
  secret_arns         = { database = var.database_secret_arn }
  log_group           = "/ecs/shop-prod/api"
  log_retention_days  = 30
  execution_role_name = "shop-prod-api-execution"
  task_role_name      = "shop-prod-api-task"

  desired_count      = 2
  subnet_ids         = var.private_subnet_ids
  security_group_ids = [var.task_security_group_id]
  scaling = {
    min                 = 2
    max                 = 10
    cpu                 = 70
    memory              = null
    requests_per_target = null
    scale_out_cooldown  = 60
    scale_in_cooldown   = 300
  }
}

output "service" {
  value = module.api.arn
}

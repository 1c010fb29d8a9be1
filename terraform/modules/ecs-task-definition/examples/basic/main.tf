provider "aws" {
  region = "eu-west-2"
}

module "task_definition" {
  source = "../.."

  family             = "shop-prod"
  container_name     = "shop"
  image              = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/shop:1.4"
  cpu                = 512
  memory             = 1024
  port               = 8000
  environment        = { LOG_LEVEL = "info" }
  secrets            = { DATABASE_PASSWORD = "/shop/prod/database/password" }
  log_group          = "/ecs/shop-prod"
  region             = "eu-west-2"
  execution_role_arn = "arn:aws:iam::123456789012:role/shop-prod-execution"
  task_role_arn      = "arn:aws:iam::123456789012:role/shop-prod-task"
}

output "revision" {
  value = module.task_definition.arn
}

provider "aws" {
  region = "eu-west-1"
}

module "ecs_cluster" {
  source = "../.."

  name           = "shop-prod"
  log_groups     = { "/ecs/shop-prod" = 30 }
  execution_role = "shop-prod-execution"
  task_role      = "shop-prod-task"
  task_role_statements = [
    { sid = "Orders", actions = ["sqs:SendMessage"], resources = ["arn:aws:sqs:eu-west-1:123456789012:shop-orders"] },
  ]
}

output "execution_role_arn" {
  value = module.ecs_cluster.execution_role_arn
}

provider "aws" {
  region = "eu-west-1"
}

module "execution" {
  source = "../.."

  name            = "shop-prod-api-execution"
  kind            = "execution"
  account_id      = "123456789012"
  repository_arns = ["arn:aws:ecr:eu-west-1:123456789012:repository/shop/api"]
  log_group_arns  = ["arn:aws:logs:eu-west-1:123456789012:log-group:/ecs/shop-prod/api"]
}

module "task" {
  source = "../.."

  name         = "shop-prod-api-task"
  kind         = "task"
  account_id   = "123456789012"
  exec_enabled = true
  statements = [
    { sid = "Pictures", actions = ["s3:GetObject"], resources = ["arn:aws:s3:::shop-pictures/*"] },
  ]
}

output "roles" {
  value = [module.execution.arn, module.task.arn]
}

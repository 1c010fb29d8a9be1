provider "aws" {
  region = "eu-west-2"
}

variable "private_subnet_ids" {
  type = list(string)
}

variable "task_security_group_id" {
  type = string
}

module "worker" {
  source = "../.."

  name       = "shop-prod-worker"
  cluster    = "shop-prod"
  region     = "eu-west-2"
  account_id = "123456789012"

  image              = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/shop:1.4"
  command            = ["python", "manage.py", "rundramatiq"]
  cpu                = 256
  memory             = 512
  log_group          = "/ecs/shop-prod"
  execution_role_arn = "arn:aws:iam::123456789012:role/shop-prod-execution"
  task_role_arn      = "arn:aws:iam::123456789012:role/shop-prod-task"
  stop_timeout       = 120

  subnet_ids                 = var.private_subnet_ids
  security_group_ids         = [var.task_security_group_id]
  capacity_provider_strategy = [{ capacity_provider = "FARGATE_SPOT", base = 0, weight = 1 }]
  scaling = {
    min                = 1
    max                = 3
    cpu                = null
    memory             = null
    scale_out_cooldown = 60
    scale_in_cooldown  = 300
  }
  # Waiting messages per running worker, which the application publishes.
  custom_metric = { namespace = "Shop/Queue", metric_name = "BacklogPerTask", target_value = 100 }
}

output "service" {
  value = module.worker.arn
}

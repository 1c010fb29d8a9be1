provider "aws" {
  region = "eu-west-2"
}

variable "private_subnet_ids" {
  type = list(string)
}

variable "task_security_group_id" {
  type = string
}

variable "target_group_arn" {
  type = string
}

variable "namespace_id" {
  type = string
}

module "service" {
  source = "../.."

  name                = "shop-prod"
  cluster             = "shop-prod"
  task_definition_arn = "arn:aws:ecs:eu-west-2:123456789012:task-definition/shop-prod:1"
  subnet_ids          = var.private_subnet_ids
  security_group_ids  = [var.task_security_group_id]
  desired_count       = 2

  load_balancers = [{ target_group_arn = var.target_group_arn, container_name = "shop", container_port = 8000 }]
  discovery      = { namespace_id = var.namespace_id, name = "shop", ttl = 10, container_name = "shop", srv_port = null }
  scaling = {
    min                 = 2
    max                 = 10
    cpu                 = 70
    memory              = 80
    requests_per_target = null
    scale_out_cooldown  = 60
    scale_in_cooldown   = 300
  }
  alarms = { cpu = 80, memory = 80, period = 300, evaluation_periods = 2 }
}

output "service" {
  value = module.service.arn
}

provider "aws" {
  region = "eu-west-1"
}

variable "vpc_id" {
  type = string
}

module "security_groups" {
  source = "../.."

  name   = "shop-prod"
  vpc_id = var.vpc_id
  groups = {
    alb = {
      description = "Load balancer: HTTP and HTTPS from anywhere"
      ingress = [
        { port = "80", protocol = "tcp", peer = "anywhere" },
        { port = "443", protocol = "tcp", peer = "anywhere" },
      ]
      egress = [{ port = "8000-8080", protocol = "tcp", peer = "tasks" }]
    }
    tasks = {
      description = "Tasks: only from the load balancer"
      ingress     = [{ port = "8000-8080", protocol = "tcp", peer = "alb" }]
      egress      = null
    }
  }
}

output "task_group" {
  value = module.security_groups.ids["tasks"]
}

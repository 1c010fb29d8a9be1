provider "aws" {
  region = "eu-west-1"
}

variable "vpc_id" {
  type = string
}

variable "public_subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

module "alb" {
  source = "../.."

  name               = "shop-prod-alb"
  vpc_id             = var.vpc_id
  subnet_ids         = var.public_subnet_ids
  security_group_ids = [var.security_group_id]

  target_groups = {
    web = {
      name                 = "shop-prod-web"
      port                 = 8080
      deregistration_delay = 30
      health_check = {
        path                = "/health"
        matcher             = "200"
        interval            = 30
        timeout             = 5
        healthy_threshold   = 2
        unhealthy_threshold = 3
      }
    }
  }
  rules = {
    web = { priority = 100, path_patterns = ["/shop/*"], host_headers = [], target_group = "web" }
  }
}

output "url" {
  value = module.alb.url
}

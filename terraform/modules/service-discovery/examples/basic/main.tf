provider "aws" {
  region = "eu-west-1"
}

variable "vpc_id" {
  type = string
}

module "namespace" {
  source = "../.."

  name   = "shop-prod.local"
  vpc_id = var.vpc_id
}

output "namespace_id" {
  value = module.namespace.id
}

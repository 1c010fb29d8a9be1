provider "aws" {
  region = "eu-west-1"
}

variable "isolated_subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

module "cache" {
  source = "../.."

  name               = "shop-prod"
  cluster_mode       = true
  shards             = 2
  replicas_per_shard = 1
  subnet_ids         = var.isolated_subnet_ids
  security_group_ids = [var.security_group_id]
}

output "url" {
  value = module.cache.url
}

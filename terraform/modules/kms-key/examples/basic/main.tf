provider "aws" {
  region = "eu-west-1"
}

module "key" {
  source = "../.."

  alias              = "shop-prod-logs"
  description        = "Logs of shop-prod"
  account_id         = "123456789012"
  region             = "eu-west-1"
  log_group_prefixes = ["/ecs/shop-prod"]
}

output "key_arn" {
  value = module.key.arn
}

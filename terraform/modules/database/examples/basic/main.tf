provider "aws" {
  region = "eu-west-1"
}

variable "isolated_subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

module "database" {
  source = "../.."

  identifier         = "shop-prod"
  database_name      = "shop"
  subnet_ids         = var.isolated_subnet_ids
  security_group_ids = [var.security_group_id]
  multi_az           = true
}

output "url" {
  value = module.database.url
}

provider "aws" {
  region = "eu-west-1"
}

variable "load_balancer_dns_name" {
  type = string
}

module "cdn" {
  source = "../.."

  bucket             = "shop-prod-frontend-123456789012"
  comment            = "shop-prod"
  api_origin_enabled = true
  api_origin         = var.load_balancer_dns_name
}

output "url" {
  value = module.cdn.url
}

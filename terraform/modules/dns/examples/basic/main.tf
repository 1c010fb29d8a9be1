provider "aws" {
  region = "eu-west-1"
}

variable "load_balancer" {
  type = object({ dns_name = string, zone_id = string })
}

module "dns" {
  source = "../.."

  domain            = "example.com"
  certificate_names = ["api.example.com"]
  aliases = {
    blue  = { name = "api", dns_name = var.load_balancer.dns_name, zone_id = var.load_balancer.zone_id, weight = 90 }
    green = { name = "api", dns_name = var.load_balancer.dns_name, zone_id = var.load_balancer.zone_id, weight = 10 }
  }
}

output "certificate_arn" {
  value = module.dns.certificate_arn
}

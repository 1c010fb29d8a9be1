provider "aws" {
  region = "eu-west-1"
}

module "monitoring" {
  source = "../.."

  name          = "shop-prod"
  region        = "eu-west-1"
  cluster       = "shop-prod"
  services      = ["shop-prod-api", "shop-prod-web"]
  load_balancer = "app/shop-prod-alb/50dc6c495c0c9188"
  emails        = ["oncall@example.com"]
}

output "topic_arn" {
  value = module.monitoring.topic_arn
}

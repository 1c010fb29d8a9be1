provider "aws" {
  region = "eu-west-1"
}

module "ecr" {
  source = "../.."

  repositories = ["shop/api", "shop/web"]
  keep_images  = 20
}

output "urls" {
  value = module.ecr.urls
}

provider "aws" {
  region = "eu-west-2"
}

module "pipeline" {
  source = "../.."

  name       = "shop-prod"
  account_id = "123456789012"
  region     = "eu-west-2"
  repository = "example/shop"
  image_repository = {
    url = "123456789012.dkr.ecr.eu-west-2.amazonaws.com/shop"
    arn = "arn:aws:ecr:eu-west-2:123456789012:repository/shop"
  }
  cluster     = "shop-prod"
  deployments = { shop-prod = "shop", shop-prod-worker = "worker" }
  role_arns   = ["arn:aws:iam::123456789012:role/shop-prod-execution", "arn:aws:iam::123456789012:role/shop-prod-task"]
}

output "connection" {
  value = module.pipeline.connection_arn
}

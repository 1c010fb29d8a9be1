provider "aws" {
  region = "eu-west-1"
}

module "networking" {
  source = "../.."

  name   = "shop-prod"
  cidr   = "10.0.0.0/16"
  region = "eu-west-1"
  nat    = "per_zone"
  subnets = {
    public-a   = { zone = "eu-west-1a", cidr = "10.0.1.0/24", tier = "public" }
    public-b   = { zone = "eu-west-1b", cidr = "10.0.2.0/24", tier = "public" }
    private-a  = { zone = "eu-west-1a", cidr = "10.0.11.0/24", tier = "private" }
    private-b  = { zone = "eu-west-1b", cidr = "10.0.12.0/24", tier = "private" }
    database-a = { zone = "eu-west-1a", cidr = "10.0.21.0/24", tier = "isolated" }
    database-b = { zone = "eu-west-1b", cidr = "10.0.22.0/24", tier = "isolated" }
  }
  flow_logs = true
  tags      = { Project = "shop", Environment = "prod" }
}

output "private_subnet_ids" {
  value = module.networking.private_subnet_ids
}

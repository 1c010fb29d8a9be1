provider "aws" {
  region = "eu-west-1"
}

module "secrets" {
  source = "../.."

  prefix = "shop-prod/"
  secrets = {
    database = ["DATABASE_URL"]
    api-key  = []
  }
  parameters     = ["/shop/prod/mail/password"]
  settings       = { "/shop/prod/mail/host" = "mail.example.com" }
  initial_values = { "database:DATABASE_URL" = "postgresql://shop@db.example.com/shop" }
}

output "database_url" {
  value = "${module.secrets.arns["database"]}:DATABASE_URL::"
}

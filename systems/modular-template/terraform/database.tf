locals {
  # A database of its own for each module.
  databases = {
    orders       = "orders"
    sales        = "sales"
    customer     = "customer"
    inventory    = "inventory"
    organization = "org"
    sample       = "sample"
  }
}

module "databases" {
  source   = "../../../terraform/modules/database"
  for_each = local.databases

  identifier            = "${each.key}-db${local.suffix}"
  database_name         = each.value
  username              = each.key
  subnet_ids            = module.networking.isolated_subnet_ids
  security_group_ids    = [module.security_groups.ids["database"]]
  multi_az              = local.environment.protected
  backup_retention_days = 7
  deletion_protection   = local.environment.protected
  final_snapshot        = local.environment.protected
  tags                  = { Service = each.key }
}

# One for all modules.
module "cache" {
  source = "../../../terraform/modules/cache"

  name               = "modular-redis${local.suffix}"
  subnet_ids         = module.networking.isolated_subnet_ids
  security_group_ids = [module.security_groups.ids["redis"]]
}

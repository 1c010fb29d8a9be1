module "database" {
  source = "../../../terraform/modules/database"

  identifier            = local.prefix
  engine_version        = "17"
  instance_class        = "db.t3.micro"
  allocated_storage     = 20
  database_name         = "booking"
  username              = "booking"
  subnet_ids            = module.networking.private_subnet_ids
  security_group_ids    = [module.security_groups.ids["database"]]
  multi_az              = local.environment.protected
  backup_retention_days = local.environment.backup_retention_days
  deletion_protection   = local.environment.protected
  final_snapshot        = local.environment.protected
}

# Broker of the worker and store of the sessions.
module "cache" {
  source = "../../../terraform/modules/cache"

  name               = local.prefix
  engine_version     = "7.1"
  node_type          = "cache.t3.micro"
  subnet_ids         = module.networking.private_subnet_ids
  security_group_ids = [module.security_groups.ids["redis"]]
}

module "database" {
  source = "../../../terraform/modules/database"

  identifier            = local.prefix
  database_name         = "broxiva"
  username              = "broxiva"
  instance_class        = local.environment.database.instance_class
  subnet_ids            = module.networking.isolated_subnet_ids
  security_group_ids    = [module.security_groups.ids["database"]]
  multi_az              = local.environment.database.multi_az
  backup_retention_days = 7
  deletion_protection   = local.environment.protected
  final_snapshot        = local.environment.protected
}

module "cache" {
  source = "../../../terraform/modules/cache"

  name               = local.prefix
  node_type          = local.environment.cache.node_type
  cluster_mode       = true
  shards             = local.environment.cache.shards
  replicas_per_shard = local.environment.cache.replicas
  subnet_ids         = module.networking.isolated_subnet_ids
  security_group_ids = [module.security_groups.ids["redis"]]
}

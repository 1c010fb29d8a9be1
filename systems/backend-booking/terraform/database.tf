locals {
  databases = {
    main = {
      identifier            = local.prefix
      database_name         = "booking"
      username              = "booking"
      engine_version        = "17"
      instance_class        = "db.t3.micro"
      allocated_storage     = 20
      multi_az              = local.environment.databases_multi_az
      storage_encrypted     = true
      backup_retention_days = local.environment.databases_backup_retention_days
      subnets               = ["private-a", "private-b"]
      security_groups       = ["database"]
      url                   = "${local.parameter}/database/url"
    }
  }

  caches = {
    # Broker of the worker and store of the sessions.
    main = {
      name               = local.prefix
      engine_version     = "7.1"
      node_type          = "cache.t3.micro"
      cluster_mode       = false
      shards             = 1
      replicas_per_shard = 0
      subnets            = ["private-a", "private-b"]
      security_groups    = ["redis"]
      url                = "${local.parameter}/redis/url"
    }
  }
}

module "databases" {
  source   = "../../../terraform/modules/database"
  for_each = local.databases

  identifier            = each.value.identifier
  engine_version        = each.value.engine_version
  instance_class        = each.value.instance_class
  allocated_storage     = each.value.allocated_storage
  database_name         = each.value.database_name
  username              = each.value.username
  subnet_ids            = [for key in each.value.subnets : module.networking.subnet_ids[key]]
  security_group_ids    = [for key in each.value.security_groups : module.security_groups.ids[key]]
  multi_az              = each.value.multi_az
  storage_encrypted     = each.value.storage_encrypted
  backup_retention_days = each.value.backup_retention_days
  deletion_protection   = local.protected
  final_snapshot        = local.protected
}

module "caches" {
  source   = "../../../terraform/modules/cache"
  for_each = local.caches

  name               = each.value.name
  engine_version     = each.value.engine_version
  node_type          = each.value.node_type
  cluster_mode       = each.value.cluster_mode
  shards             = each.value.shards
  replicas_per_shard = each.value.replicas_per_shard
  subnet_ids         = [for key in each.value.subnets : module.networking.subnet_ids[key]]
  security_group_ids = [for key in each.value.security_groups : module.security_groups.ids[key]]
}

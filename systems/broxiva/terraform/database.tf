locals {
  databases = {
    main = {
      identifier            = local.prefix
      database_name         = "broxiva"
      username              = "broxiva"
      engine_version        = "17"
      instance_class        = local.environment.databases_instance_class
      allocated_storage     = 20
      multi_az              = local.environment.databases_multi_az
      storage_encrypted     = true
      backup_retention_days = 7
      subnets               = ["database-a", "database-b", "database-c"]
      security_groups       = ["database"]
      url                   = "${local.prefix}/database-url"
    }
  }

  caches = {
    main = {
      name               = local.prefix
      engine_version     = "7.1"
      node_type          = local.environment.caches_node_type
      cluster_mode       = true
      shards             = local.environment.caches_shards
      replicas_per_shard = local.environment.caches_replicas_per_shard
      subnets            = ["database-a", "database-b", "database-c"]
      security_groups    = ["redis"]
      url                = "${local.prefix}/redis-url"
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

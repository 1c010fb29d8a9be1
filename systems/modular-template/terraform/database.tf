locals {
  # A database of its own for each module.
  databases = {
    orders = {
      identifier            = "orders-db${local.environment.suffix}"
      database_name         = "orders"
      username              = "orders"
      engine_version        = "17"
      instance_class        = "db.t4g.micro"
      allocated_storage     = 20
      multi_az              = false
      storage_encrypted     = true
      backup_retention_days = 7
      subnets               = ["database-a", "database-b"]
      security_groups       = ["database"]
      url                   = "${local.parameter}/orders/database-connection"
    }
    sales = {
      identifier            = "sales-db${local.environment.suffix}"
      database_name         = "sales"
      username              = "sales"
      engine_version        = "17"
      instance_class        = "db.t4g.micro"
      allocated_storage     = 20
      multi_az              = false
      storage_encrypted     = true
      backup_retention_days = 7
      subnets               = ["database-a", "database-b"]
      security_groups       = ["database"]
      url                   = "${local.parameter}/sales/database-connection"
    }
    customer = {
      identifier            = "customer-db${local.environment.suffix}"
      database_name         = "customer"
      username              = "customer"
      engine_version        = "17"
      instance_class        = "db.t4g.micro"
      allocated_storage     = 20
      multi_az              = false
      storage_encrypted     = true
      backup_retention_days = 7
      subnets               = ["database-a", "database-b"]
      security_groups       = ["database"]
      url                   = "${local.parameter}/customer/database-connection"
    }
    inventory = {
      identifier            = "inventory-db${local.environment.suffix}"
      database_name         = "inventory"
      username              = "inventory"
      engine_version        = "17"
      instance_class        = "db.t4g.micro"
      allocated_storage     = 20
      multi_az              = false
      storage_encrypted     = true
      backup_retention_days = 7
      subnets               = ["database-a", "database-b"]
      security_groups       = ["database"]
      url                   = "${local.parameter}/inventory/database-connection"
    }
    organization = {
      identifier            = "organization-db${local.environment.suffix}"
      database_name         = "org"
      username              = "organization"
      engine_version        = "17"
      instance_class        = "db.t4g.micro"
      allocated_storage     = 20
      multi_az              = false
      storage_encrypted     = true
      backup_retention_days = 7
      subnets               = ["database-a", "database-b"]
      security_groups       = ["database"]
      url                   = "${local.parameter}/organization/database-connection"
    }
    sample = {
      identifier            = "sample-db${local.environment.suffix}"
      database_name         = "sample"
      username              = "sample"
      engine_version        = "17"
      instance_class        = "db.t4g.micro"
      allocated_storage     = 20
      multi_az              = false
      storage_encrypted     = true
      backup_retention_days = 7
      subnets               = ["database-a", "database-b"]
      security_groups       = ["database"]
      url                   = "${local.parameter}/sample/database-connection"
    }
  }

  # One for all modules.
  caches = {
    main = {
      name               = "modular-redis${local.environment.suffix}"
      engine_version     = "7.1"
      node_type          = "cache.t4g.micro"
      cluster_mode       = false
      shards             = 1
      replicas_per_shard = 0
      subnets            = ["database-a", "database-b"]
      security_groups    = ["redis"]
      url                = "${local.parameter}/redis-connection"
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

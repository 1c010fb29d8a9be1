locals {
  databases = {
    main = {
      identifier            = local.prefix
      database_name         = "portal"
      username              = "portal"
      engine_version        = "17"
      instance_class        = "db.t4g.micro"
      allocated_storage     = 20
      multi_az              = var.database_multi_az
      storage_encrypted     = var.database_encrypted
      backup_retention_days = 7
      subnets               = ["database-a", "database-b"]
      security_groups       = ["rds"]
      url                   = "${local.prefix}/database:DATABASE_URL"
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

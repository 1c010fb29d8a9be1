locals {
<<databases>> #if databases
 #if databases caches
<<caches>> #if caches
}

#if databases
module "databases" {
  source   = "<<modules>>/database"
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
#end

#if caches
module "caches" {
  source   = "<<modules>>/cache"
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
#end

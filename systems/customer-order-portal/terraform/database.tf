module "database" {
  source = "../../../terraform/modules/database"

  identifier            = local.prefix
  database_name         = "portal"
  username              = "portal"
  instance_class        = "db.t4g.micro"
  subnet_ids            = module.networking.isolated_subnet_ids
  security_group_ids    = [module.security_groups.ids["rds"]]
  multi_az              = var.database_multi_az
  storage_encrypted     = var.database_encrypted
  backup_retention_days = 7
  deletion_protection   = local.environment.protected
  final_snapshot        = local.environment.protected
}

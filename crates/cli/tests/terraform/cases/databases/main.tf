# Databases and caches, each with every setting that the example systems use.

variable "subnets" {
  type    = list(string)
  default = ["subnet-0a11ce0000000001", "subnet-0a11ce0000000002"]
}

variable "security_groups" {
  type    = list(string)
  default = ["sg-0a11ce0000000001"]
}

variable "environment" {
  type    = string
  default = "test"
}

variable "instance_class" {
  type    = string
  default = "db.t4g.micro"
}

variable "storage" {
  type    = number
  default = 20
}

variable "backup_days" {
  type    = number
  default = 7
}

variable "max_connections" {
  type    = string
  default = "100"
}

variable "log_exports" {
  type    = list(string)
  default = ["postgresql"]
}

resource "aws_db_subnet_group" "main" {
  name        = "shop"
  description = "Subnets of ${var.environment}"
  subnet_ids  = var.subnets
  tags        = { Environment = var.environment }
}

resource "aws_db_parameter_group" "main" {
  name        = "shop-postgres16"
  family      = "postgres16"
  description = "Parameters of the shop"

  parameter {
    name  = "log_min_duration_statement"
    value = "500"
  }
  parameter {
    name         = "max_connections"
    value        = var.max_connections
    apply_method = "pending-reboot"
  }
  tags = { Environment = var.environment }
}

resource "aws_db_instance" "main" {
  identifier                          = "shop-main"
  engine                              = "postgres"
  engine_version                      = "16.4"
  instance_class                      = var.instance_class
  allocated_storage                   = var.storage
  max_allocated_storage               = 100
  storage_type                        = "gp3"
  storage_encrypted                   = true
  db_name                             = "shop"
  username                            = "shop"
  password                            = "correct-horse-battery"
  port                                = 5433
  db_subnet_group_name                = aws_db_subnet_group.main.name
  parameter_group_name                = aws_db_parameter_group.main.name
  vpc_security_group_ids              = var.security_groups
  backup_retention_period             = var.backup_days
  backup_window                       = "03:00-04:00"
  maintenance_window                  = "Mon:04:00-Mon:05:00"
  monitoring_interval                 = 60
  monitoring_role_arn                 = "arn:aws:iam::000000000000:role/rds-monitoring"
  performance_insights_enabled        = true
  multi_az                            = true
  copy_tags_to_snapshot               = true
  auto_minor_version_upgrade          = false
  enabled_cloudwatch_logs_exports     = var.log_exports
  iam_database_authentication_enabled = true
  deletion_protection                 = false
  skip_final_snapshot                 = true
  apply_immediately                   = true
  tags                                = { Environment = var.environment }
}

# With as little as can be said.
resource "aws_db_instance" "small" {
  identifier                  = "shop-small"
  engine                      = "mysql"
  engine_version              = "8.0"
  instance_class              = "db.t3.micro"
  allocated_storage           = 20
  username                    = "admin"
  manage_master_user_password = true
  final_snapshot_identifier   = "shop-small-last"
}

variable "node_type" {
  type    = string
  default = "cache.t4g.micro"
}

variable "snapshot_days" {
  type    = number
  default = 1
}

variable "cache_nodes" {
  type    = number
  default = 2
}

variable "maxmemory_policy" {
  type    = string
  default = "allkeys-lru"
}

variable "auth_token" {
  type    = string
  default = "correct-horse-battery-staple"
}

resource "aws_elasticache_subnet_group" "main" {
  name        = "shop"
  description = "Subnets of the caches"
  subnet_ids  = var.subnets
  tags        = { Environment = var.environment }
}

resource "aws_elasticache_parameter_group" "main" {
  name        = "shop-redis7"
  family      = "redis7"
  description = "Parameters of the caches"

  parameter {
    name  = "maxmemory-policy"
    value = var.maxmemory_policy
  }
  tags = { Environment = var.environment }
}

resource "aws_elasticache_cluster" "main" {
  cluster_id               = "shop-cache"
  engine                   = "redis"
  engine_version           = "7.1"
  node_type                = var.node_type
  num_cache_nodes          = 1
  port                     = 6380
  parameter_group_name     = aws_elasticache_parameter_group.main.name
  subnet_group_name        = aws_elasticache_subnet_group.main.name
  security_group_ids       = var.security_groups
  snapshot_retention_limit = var.snapshot_days
  snapshot_window          = "05:00-06:00"
  maintenance_window       = "sun:06:30-sun:07:30"
  notification_topic_arn   = "arn:aws:sns:us-east-1:000000000000:caches"
  apply_immediately        = true
  tags                     = { Environment = var.environment }

  log_delivery_configuration {
    destination      = "/caches/shop"
    destination_type = "cloudwatch-logs"
    log_format       = "json"
    log_type         = "slow-log"
  }
}

resource "aws_elasticache_cluster" "memcached" {
  cluster_id        = "shop-pages"
  engine            = "memcached"
  node_type         = "cache.t4g.micro"
  num_cache_nodes   = var.cache_nodes
  az_mode           = "cross-az"
  subnet_group_name = aws_elasticache_subnet_group.main.name
  apply_immediately = true
}

resource "aws_elasticache_replication_group" "main" {
  replication_group_id       = "shop-sessions"
  description                = "Sessions of ${var.environment}"
  engine                     = "redis"
  engine_version             = "7.0"
  node_type                  = var.node_type
  num_cache_clusters         = var.cache_nodes
  automatic_failover_enabled = true
  multi_az_enabled           = true
  parameter_group_name       = aws_elasticache_parameter_group.main.name
  subnet_group_name          = aws_elasticache_subnet_group.main.name
  security_group_ids         = var.security_groups
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
  auth_token                 = var.auth_token
  auth_token_update_strategy = "ROTATE"
  snapshot_retention_limit   = var.snapshot_days
  snapshot_window            = "03:00-04:00"
  maintenance_window         = "sun:04:30-sun:05:30"
  apply_immediately          = true
  tags                       = { Environment = var.environment }
}

resource "aws_elasticache_replication_group" "sharded" {
  replication_group_id       = "shop-carts"
  description                = "Carts"
  engine                     = "valkey"
  node_type                  = "cache.r7g.large"
  num_node_groups            = var.cache_nodes
  replicas_per_node_group    = 1
  automatic_failover_enabled = true
  subnet_group_name          = aws_elasticache_subnet_group.main.name
}

locals {
  # Roles that all services share; null where each has its own.
  execution_role = local.defaults.execution_role_name
  task_role      = local.defaults.task_role_name

  # A log group that several services write to belongs to the cluster.
  log_groups        = { for service in values(local.services) : service.log_group => service.log_retention_days... if service.log_group != null }
  shared_log_groups = { for group, retentions in local.log_groups : group => retentions[0] if length(retentions) > 1 }
  log_kms_key_arn   = null
}

module "ecs_cluster" {
  source = "../../../terraform/modules/ecs-cluster"

  name                               = local.cluster
  account_id                         = local.account
  default_capacity_provider_strategy = local.defaults.capacity_provider_strategy
  log_groups                         = local.shared_log_groups
  kms_key_arn                        = local.log_kms_key_arn

  execution_role = local.execution_role
  execution_role_access = {
    repository_arns = distinct([for service in values(local.services) : "arn:aws:ecr:${var.region}:${local.account}:repository/${service.repository}"])
    log_group_arns  = [for group in keys(local.log_groups) : "arn:aws:logs:${var.region}:${local.account}:log-group:${group}"]
    secret_arns     = values(module.secrets.arns)
    parameter_arns  = values(module.secrets.parameter_arns)
    kms_key_arns    = []
  }

  task_role              = local.task_role
  task_role_exec_enabled = false
  task_role_statements   = local.defaults.task_role_statements
}

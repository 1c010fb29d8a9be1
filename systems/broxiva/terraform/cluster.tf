locals {
  # Roles that all services share; null where each has its own.
  execution_role = local.defaults.execution_role_name
  task_role      = local.defaults.task_role_name

  # A log group that several services write to belongs to the cluster.
  log_groups        = { for service in values(local.services) : service.log_group => service.log_retention_days... if service.log_group != null }
  shared_log_groups = { for group, retentions in local.log_groups : group => retentions[0] if length(retentions) > 1 }
  log_kms_key_arn   = module.log_key.arn
}

module "log_key" {
  source = "../../../terraform/modules/kms-key"

  alias              = "${local.network.name}-logs"
  description        = "Logs of ${local.network.name}"
  account_id         = local.account
  region             = var.region
  log_group_prefixes = distinct([for group in keys(local.log_groups) : "${dirname(group)}/"])
}

module "ecs_cluster" {
  source = "../../../terraform/modules/ecs-cluster"

  name                               = local.cluster
  account_id                         = local.account
  default_capacity_provider_strategy = local.defaults.capacity_provider_strategy
  log_groups                         = local.shared_log_groups
  exec_log_group                     = "/aws/ecs/${local.prefix}/exec"
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
  task_role_exec_enabled = true
  task_role_statements = concat(local.defaults.task_role_statements, [
    { sid = "ExecLog", actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], resources = ["arn:aws:logs:${var.region}:${local.account}:log-group:${"/aws/ecs/${local.prefix}/exec"}:*"] },
    { sid = "ExecLogGroups", actions = ["logs:DescribeLogGroups"], resources = ["*"] },
  ])
}

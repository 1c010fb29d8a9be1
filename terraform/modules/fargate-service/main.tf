locals {
  container_name = coalesce(var.container_name, var.name)

  # Name of the secret or path of the parameter that each variable comes from.
  sources    = distinct([for reference in values(var.secrets) : split(":", reference)[0]])
  parameters = [for source in local.sources : source if substr(source, 0, 1) == "/"]
  value_from = {
    for name, reference in var.secrets : name => (
      substr(reference, 0, 1) == "/" ? reference : (
        length(split(":", reference)) == 1 ? var.secret_arns[reference] : "${var.secret_arns[split(":", reference)[0]]}:${split(":", reference)[1]}::"
      )
    )
  }

  execution_role_arn = var.execution_role_name == null ? var.execution_role_arn : module.execution_role[0].arn
  task_role_arn      = var.task_role_name == null ? var.task_role_arn : module.task_role[0].arn
}

resource "aws_cloudwatch_log_group" "this" {
  count = var.log_retention_days == null ? 0 : 1

  name              = var.log_group
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn

  tags = var.tags
}

module "execution_role" {
  source = "../ecs-role"
  count  = var.execution_role_name == null ? 0 : 1

  name            = var.execution_role_name
  kind            = "execution"
  account_id      = var.account_id
  repository_arns = var.repository_arns
  log_group_arns  = [for group in aws_cloudwatch_log_group.this : group.arn]
  secret_arns     = [for source in local.sources : var.secret_arns[source] if !contains(local.parameters, source)]
  parameter_arns  = [for path in local.parameters : var.parameter_arns[path]]
  kms_key_arns    = var.kms_key_arns
  tags            = var.tags
}

module "task_role" {
  source = "../ecs-role"
  count  = var.task_role_name == null ? 0 : 1

  name         = var.task_role_name
  kind         = "task"
  account_id   = var.account_id
  statements   = var.task_role_statements
  exec_enabled = var.enable_execute_command
  tags         = var.tags
}

module "task_definition" {
  source = "../ecs-task-definition"

  family                   = coalesce(var.family, var.name)
  container_name           = local.container_name
  image                    = var.image
  cpu                      = var.cpu
  memory                   = var.memory
  ephemeral_storage_gib    = var.ephemeral_storage_gib
  cpu_architecture         = var.cpu_architecture
  port                     = var.port
  command                  = var.command
  environment              = var.environment
  secrets                  = local.value_from
  health_check             = var.health_check
  nofile                   = var.nofile
  stop_timeout             = var.stop_timeout
  init_process             = var.init_process
  readonly_root_filesystem = var.readonly_root_filesystem
  user                     = var.user
  keep_revisions           = var.keep_revisions
  log_group                = length(aws_cloudwatch_log_group.this) > 0 ? aws_cloudwatch_log_group.this[0].name : var.log_group
  log_stream_prefix        = var.log_stream_prefix
  log_options              = var.log_options
  region                   = var.region
  execution_role_arn       = local.execution_role_arn
  task_role_arn            = local.task_role_arn
  tags                     = var.tags
}

module "service" {
  source = "../ecs-service"

  name                = var.name
  cluster             = var.cluster
  task_definition_arn = module.task_definition.arn
  subnet_ids          = var.subnet_ids
  security_group_ids  = var.security_group_ids

  desired_count                     = var.desired_count
  desired_count_on_every_apply      = var.desired_count_on_every_apply
  capacity_provider_strategy        = var.capacity_provider_strategy
  minimum_healthy_percent           = var.minimum_healthy_percent
  maximum_percent                   = var.maximum_percent
  circuit_breaker                   = var.circuit_breaker
  circuit_breaker_rollback          = var.circuit_breaker_rollback
  availability_zone_rebalancing     = var.availability_zone_rebalancing
  health_check_grace_period_seconds = var.health_check_grace_period_seconds
  enable_execute_command            = var.enable_execute_command
  wait_for_steady_state             = var.wait_for_steady_state

  load_balancers = var.target_group == null ? [] : [{
    target_group_arn = var.target_group_arns[var.target_group]
    container_name   = local.container_name
    container_port   = var.port
  }]
  discovery = var.discovery_name == null ? null : {
    namespace_id   = var.namespace_id
    name           = var.discovery_name
    ttl            = var.discovery_ttl
    container_name = local.container_name
    srv_port       = var.discovery_srv ? var.port : null
  }

  scaling             = var.scaling
  request_count_label = var.request_count_label
  custom_metric       = var.custom_metric
  schedules           = var.schedules
  alarms              = var.alarms
  alarm_actions       = var.alarm_actions
  tags                = var.tags
}

resource "aws_ecs_cluster" "this" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = var.container_insights
  }

  dynamic "configuration" {
    for_each = var.exec_log_group == null ? [] : [var.exec_log_group]

    content {
      execute_command_configuration {
        logging = "OVERRIDE"

        log_configuration {
          cloud_watch_log_group_name = aws_cloudwatch_log_group.exec[0].name
        }
      }
    }
  }

  tags = var.tags
}

resource "aws_ecs_cluster_capacity_providers" "this" {
  cluster_name       = aws_ecs_cluster.this.name
  capacity_providers = var.capacity_providers

  dynamic "default_capacity_provider_strategy" {
    for_each = var.default_capacity_provider_strategy

    content {
      capacity_provider = default_capacity_provider_strategy.value.capacity_provider
      base              = default_capacity_provider_strategy.value.base
      weight            = default_capacity_provider_strategy.value.weight
    }
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = var.log_groups

  name              = each.key
  retention_in_days = each.value
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}

resource "aws_cloudwatch_log_group" "exec" {
  count = var.exec_log_group == null ? 0 : 1

  name              = var.exec_log_group
  retention_in_days = var.exec_log_retention_days
  kms_key_id        = var.kms_key_arn

  tags = var.tags
}

module "execution_role" {
  source = "../ecs-role"
  count  = var.execution_role == null ? 0 : 1

  name            = var.execution_role
  kind            = "execution"
  account_id      = var.account_id
  repository_arns = var.execution_role_access.repository_arns
  log_group_arns  = concat([for group in values(aws_cloudwatch_log_group.this) : group.arn], var.execution_role_access.log_group_arns)
  secret_arns     = var.execution_role_access.secret_arns
  parameter_arns  = var.execution_role_access.parameter_arns
  kms_key_arns    = var.execution_role_access.kms_key_arns
  tags            = var.tags
}

module "task_role" {
  source = "../ecs-role"
  count  = var.task_role == null ? 0 : 1

  name         = var.task_role
  kind         = "task"
  account_id   = var.account_id
  statements   = var.task_role_statements
  exec_enabled = var.task_role_exec_enabled
  tags         = var.tags
}

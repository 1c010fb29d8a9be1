module "<<kind>>" {
  source   = "<<modules>>/<<module>>"
  for_each = local.<<kind_of>>

  name           = each.value.name
  family         = each.value.family
  container_name = each.value.container_name
  cluster        = module.ecs_cluster.name
  region         = var.region
  account_id     = local.account

  image           = "${local.registry}/${each.value.repository}:${each.value.image_tag}"
  repository_arns = ["arn:aws:ecr:${var.region}:${local.account}:repository/${each.value.repository}"]
  cpu             = each.value.cpu
  memory          = each.value.memory
  ephemeral_storage_gib = each.value.ephemeral_storage_gib
  port            = each.value.port #if web
  command         = each.value.command
  environment     = each.value.environment
  secrets         = each.value.secrets
  secret_arns     = module.secrets.arns
  parameter_arns  = module.secrets.parameter_arns
  health_check    = each.value.health_check
  nofile          = each.value.nofile
  stop_timeout    = each.value.stop_timeout
  init_process    = each.value.init_process
  user = each.value.user
  readonly_root_filesystem = each.value.readonly_root_filesystem
  keep_revisions  = var.keep_revisions

  log_group            = each.value.log_group
  log_retention_days   = contains(keys(local.shared_log_groups), coalesce(each.value.log_group, "-")) ? null : each.value.log_retention_days
  log_kms_key_arn      = local.log_kms_key_arn
  execution_role_name  = each.value.execution_role_name == local.execution_role ? null : each.value.execution_role_name
  execution_role_arn   = module.ecs_cluster.execution_role_arn
  task_role_name       = each.value.task_role_name == local.task_role ? null : each.value.task_role_name
  task_role_arn        = module.ecs_cluster.task_role_arn
  task_role_statements = each.value.task_role_statements

  desired_count                     = each.value.desired_count
  desired_count_on_every_apply      = each.value.desired_count_on_every_apply
  capacity_provider_strategy        = each.value.capacity_provider_strategy
  minimum_healthy_percent           = each.value.minimum_healthy_percent
  maximum_percent                   = each.value.maximum_percent
  circuit_breaker                   = each.value.circuit_breaker
  circuit_breaker_rollback          = each.value.circuit_breaker_rollback
  availability_zone_rebalancing     = each.value.availability_zone_rebalancing
  health_check_grace_period_seconds = each.value.health_check_grace_period_seconds
  enable_execute_command            = each.value.enable_execute_command
  wait_for_steady_state             = var.wait_for_steady_state

  subnet_ids         = [for key in each.value.subnets : module.networking.subnet_ids[key]]
  security_group_ids = [for key in each.value.security_groups : module.security_groups.ids[key]]
  target_group       = each.value.target_group_name == null ? null : each.key #if web
  target_group_arns  = module.alb.target_group_arns #if web
  namespace_id       = module.namespace.id #if namespace !shared
  namespace_id       = module.namespaces[each.value.environment_name].id #if namespace shared
  discovery_name     = each.value.discovery_name #if namespace
  discovery_ttl      = each.value.discovery_ttl #if namespace
  discovery_srv      = each.value.discovery_srv #if namespace web

  scaling = each.value.min == null ? null : {
    min                 = each.value.min
    max                 = each.value.max
    cpu                 = each.value.scale_on_cpu
    memory              = each.value.scale_on_memory
    requests_per_target = each.value.scale_on_requests #if web
    scale_out_cooldown  = each.value.scale_out_cooldown
    scale_in_cooldown   = each.value.scale_in_cooldown
  }
  request_count_label = each.value.scale_on_requests == null ? null : "${module.alb.arn_suffix}/${module.alb.target_group_arn_suffixes[each.key]}" #if web
  custom_metric       = each.value.custom_metric
  alarms              = var.enable_alarms ? local.service_alarms : null
  alarm_actions       = concat([module.monitoring.topic_arn], var.alarm_actions) #if !shared
  alarm_actions       = concat([module.monitoring[each.value.environment_name].topic_arn], var.alarm_actions) #if shared

  tags = each.value.tags
}

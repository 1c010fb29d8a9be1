module "monitoring" {
  source = "../../../terraform/modules/monitoring"

  name           = local.network.name
  region         = var.region
  cluster        = local.cluster
  services       = [for service in values(local.services) : service.name]
  load_balancer  = module.alb.arn_suffix
  target_groups  = module.alb.target_group_arn_suffixes
  alarms_enabled = var.enable_alarms
  alarm_actions  = var.alarm_actions
  emails         = var.alarm_emails
  response_time = {
    threshold          = local.environment.monitoring_response_time_threshold
    period             = 300
    evaluation_periods = 2
  }
  errors = {
    threshold          = local.environment.monitoring_errors_threshold
    period             = 300
    evaluation_periods = 2
    source             = "targets"
  }
  unhealthy_hosts = { period = 300, evaluation_periods = 2 }
}

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
  response_time  = { threshold = 2, period = 60, evaluation_periods = 3 }
  errors         = { threshold = 10, period = 60, evaluation_periods = 2, source = "load_balancer" }
}

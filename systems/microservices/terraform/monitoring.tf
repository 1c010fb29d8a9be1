# A dashboard for each environment; the load balancer they share is watched once.
module "monitoring" {
  source   = "../../../terraform/modules/monitoring"
  for_each = toset(var.environments)

  name           = "${local.network.name}-${each.key}"
  region         = var.region
  cluster        = local.cluster
  services       = [for service in values(local.services) : service.name if service.environment_name == each.key]
  load_balancer  = module.alb.arn_suffix
  alarms_enabled = var.enable_alarms && each.key == var.environments[length(var.environments) - 1]
  alarm_actions  = var.alarm_actions
  emails         = var.alarm_emails
  response_time  = { threshold = 2, period = 60, evaluation_periods = 3 }
  errors         = { threshold = 10, period = 60, evaluation_periods = 2, source = "load_balancer" }
  tags           = { Environment = each.key }
}

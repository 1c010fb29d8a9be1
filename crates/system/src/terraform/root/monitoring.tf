# A dashboard for each environment; the load balancer they share is watched once. #if shared
module "monitoring" {
  source = "<<modules>>/monitoring"
  for_each = toset(var.environments) #if shared

  name           = local.network.name #if !shared
  name           = "${local.network.name}-${each.key}" #if shared
  region         = var.region
  cluster        = local.cluster
  services       = [for service in values(local.services) : service.name] #if !shared
  services       = [for service in values(local.services) : service.name if service.environment_name == each.key] #if shared
  load_balancer  = module.alb.arn_suffix
  target_groups  = module.alb.target_group_arn_suffixes #if !shared
  alarms_enabled = var.enable_alarms #if !shared
  alarms_enabled = var.enable_alarms && each.key == var.environments[length(var.environments) - 1] #if shared
  alarm_actions  = var.alarm_actions
  emails         = var.alarm_emails
<<monitoring>> #if monitoring
  tags = { Environment = each.key } #if shared
}

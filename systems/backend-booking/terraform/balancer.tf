locals {
  # A certificate of one's own, or one made for the host names in the hosted zone.
  https           = var.certificate_arn != null || var.hosted_zone != null
  certificate_arn = var.certificate_arn == null && var.hosted_zone != null ? module.dns[0].certificate_arn : var.certificate_arn

  target_groups = {
    for key, service in local.services : key => {
      name                 = service.target_group_name
      port                 = service.port
      deregistration_delay = service.deregistration_delay
      health_check = {
        path                = service.health_path
        matcher             = service.health_matcher
        interval            = service.health_interval
        timeout             = service.health_timeout
        healthy_threshold   = service.healthy_threshold
        unhealthy_threshold = service.unhealthy_threshold
      }
    } if service.target_group_name != null
  }

  rules = merge([
    for key, service in local.services : {
      for rule in service.rules : "${key}-${rule.priority}" => merge({ path_patterns = [], host_headers = [] }, rule, { target_group = key })
    }
  ]...)
}

module "alb" {
  source = "../../../terraform/modules/alb"

  name                 = local.load_balancer.name
  vpc_id               = module.networking.vpc_id
  subnet_ids           = [for key in local.load_balancer.subnets : module.networking.subnet_ids[key]]
  security_group_ids   = [for key in local.load_balancer.security_groups : module.security_groups.ids[key]]
  idle_timeout         = local.load_balancer.idle_timeout
  deletion_protection  = local.protected
  https_enabled        = local.https
  certificate_arn      = local.certificate_arn
  target_groups        = local.target_groups
  default_target_group = local.load_balancer.default_service
  rules                = local.rules
}

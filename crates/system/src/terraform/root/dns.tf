module "dns" {
  source = "<<modules>>/dns"
  count  = var.hosted_zone == null ? 0 : 1

  domain            = var.hosted_zone
  create_zone       = var.create_hosted_zone
  certificate_names = var.certificate_arn == null ? local.host_names : []
  aliases = {
    for name in local.host_names : name => {
      name     = name
      dns_name = module.alb.dns_name
      zone_id  = module.alb.zone_id
      weight   = null
    }
  }
}

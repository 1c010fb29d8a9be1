module "networking" {
  source = "<<modules>>/networking"

  name                        = local.network.name
  cidr                        = local.network.cidr
  subnets                     = local.network.subnets
  nat                         = local.network.nat
  region                      = var.region
  interface_endpoints         = var.interface_endpoints
  endpoint_security_group_ids = [for key in local.network.endpoint_security_groups : module.security_groups.ids[key]]
  flow_logs                   = var.flow_logs
}

module "security_groups" {
  source = "<<modules>>/security-groups"

  name   = local.network.name
  vpc_id = module.networking.vpc_id
  groups = local.security_groups
}

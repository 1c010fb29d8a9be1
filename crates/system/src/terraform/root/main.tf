locals {
  account  = data.aws_caller_identity.this.account_id
  registry = var.image_registry == null ? "${local.account}.dkr.ecr.${var.region}.amazonaws.com" : var.image_registry

  # Services can be added step by step: the rest works without them.
  enabled = { for key, service in local.services : key => service if var.enabled_services == null ? true : contains(var.enabled_services, key) }
  web     = { for key, service in local.enabled : key => service if service.port != null }
  workers = { for key, service in local.enabled : key => service if service.port == null } #if workers
}

#if namespace !shared
module "namespace" {
  source = "<<modules>>/service-discovery"

  name = local.namespace_name
  vpc_id = module.networking.vpc_id
}
#end
#if namespace shared
module "namespaces" {
  source = "<<modules>>/service-discovery"
  for_each = local.namespace_name

  name = each.value
  vpc_id = module.networking.vpc_id
  tags = { Environment = each.key }
}
#end


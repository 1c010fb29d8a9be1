output "url" {
  description = "Where the platform answers."
  value       = module.alb.url
}

output "load_balancer_url" {
  description = "Where the load balancer itself answers."
  value       = module.alb.url
}

output "load_balancer_dns_name" {
  description = "Host name of the load balancer."
  value       = module.alb.dns_name
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = module.ecs_cluster.name
}

output "service_names" {
  description = "Names of the services by key."
  value       = { for key, service in module.services : key => service.name }
}

output "log_groups" {
  description = "Log groups of the services by key."
  value       = { for key, service in local.enabled : key => service.log_group }
}

output "target_group_arns" {
  description = "ARNs of the target groups by key."
  value       = module.alb.target_group_arns
}

output "repository_urls" {
  description = "Where images are pushed to."
  value       = { for key, service in local.services : key => "${local.registry}/${service.repository}" }
}

output "name_servers" {
  description = "Name servers to enter at the registrar, when the hosted zone is made here."
  value       = var.hosted_zone == null ? [] : module.dns[0].name_servers
}

output "dashboard_names" {
  description = "Names of the dashboards by environment."
  value       = { for name, monitoring in module.monitoring : name => monitoring.dashboard_name }
}

output "url" {
  description = "Where the services answer, each below its path."
  value       = module.alb.url
}

output "repository_urls" {
  description = "Where images are pushed to."
  value       = module.ecr.urls
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
  value       = { for key, service in module.services : key => service.log_group }
}

output "target_group_arns" {
  description = "ARNs of the target groups by key."
  value       = module.alb.target_group_arns
}

output "dashboard_names" {
  description = "Names of the dashboards by environment."
  value       = { for name, monitoring in module.monitoring : name => monitoring.dashboard_name }
}

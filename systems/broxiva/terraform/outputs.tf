output "url" {
  description = "Where the platform answers."
  value       = module.cdn.url
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
  value       = merge({ for key, service in module.services : key => service.name }, { for key, service in module.workers : key => service.name })
}

output "log_groups" {
  description = "Log groups of the services by key."
  value       = merge({ for key, service in module.services : key => service.log_group }, { for key, service in module.workers : key => service.log_group })
}

output "target_group_arns" {
  description = "ARNs of the target groups by key."
  value       = module.alb.target_group_arns
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = module.monitoring.dashboard_name
}

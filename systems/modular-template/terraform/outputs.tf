output "url" {
  description = "Where the modules answer."
  value       = module.alb.url
}

output "database_endpoints" {
  description = "Host and port of each module's database."
  value       = { for key, database in module.databases : key => database.endpoint }
}

output "queue_urls" {
  description = "Queue of each module."
  value       = module.messaging.queue_urls
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

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = module.monitoring.dashboard_name
}

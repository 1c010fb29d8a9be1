output "url" {
  description = "Where the API answers."
  value       = module.alb.url
}

output "ecr_repository_url" {
  description = "Where images are pushed to."
  value       = module.ecr.urls[local.prefix]
}

output "database_endpoint" {
  description = "Host and port of the database."
  value       = module.database.endpoint
}

output "name_servers" {
  description = "Name servers to enter at the registrar, when the hosted zone is made here."
  value       = var.hosted_zone == null ? [] : module.dns[0].name_servers
}

output "pipeline_connection_arn" {
  description = "Connection to confirm in the console; null without a pipeline."
  value       = var.source_repository == null ? null : module.pipeline[0].connection_arn
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

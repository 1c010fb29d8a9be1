output "api_gateway_url" {
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

output "gateway_target_group_arn" {
  description = "Target group of what answers where no rule does, for describe-target-health."
  value       = module.alb.target_group_arns[local.load_balancer.default_service]
}

output "repository_urls" {
  description = "Where images are pushed to."
  value       = { for key, service in local.services : key => "${local.registry}/${service.repository}" }
}

output "name_servers" {
  description = "Name servers to enter at the registrar, when the hosted zone is made here."
  value       = var.hosted_zone == null ? [] : module.dns[0].name_servers
}

output "dashboard_name" {
  description = "Name of the dashboard."
  value       = module.monitoring.dashboard_name
}

output "database_endpoints" {
  description = "Hosts and ports of the databases by key."
  value       = { for key, database in module.databases : key => database.endpoint }
}

output "database_password_secret_arns" {
  description = "Secrets with the databases' users and passwords by key."
  value       = { for key, database in module.databases : key => database.password_secret_arn }
}

output "s3_bucket_name" {
  description = "Bucket of the files; null without one."
  value       = var.enable_cdn ? module.cdn[0].bucket : null
}

output "frontend_url" {
  description = "Where the CDN answers; null without one."
  value       = var.enable_cdn ? module.cdn[0].url : null
}

output "cloudfront_distribution_id" {
  description = "Distribution, for invalidations after new files; null without one."
  value       = var.enable_cdn ? module.cdn[0].distribution_id : null
}

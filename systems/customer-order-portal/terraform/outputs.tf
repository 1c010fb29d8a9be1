output "api_gateway_url" {
  description = "Where the API answers."
  value       = module.alb.url
}

output "gateway_target_group_arn" {
  description = "Target group of the gateway, for describe-target-health."
  value       = module.alb.target_group_arns["gateway"]
}

output "s3_bucket_name" {
  description = "Bucket of the front end."
  value       = module.cdn.bucket
}

output "frontend_url" {
  description = "Where the front end answers."
  value       = module.cdn.url
}

output "cloudfront_distribution_id" {
  description = "Distribution, for invalidations after a deployment of the front end."
  value       = module.cdn.distribution_id
}

output "database_endpoint" {
  description = "Host and port of the database."
  value       = module.database.endpoint
}

output "database_password_secret_arn" {
  description = "Secret with the database's user and password."
  value       = module.database.password_secret_arn
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

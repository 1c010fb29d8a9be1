output "name" {
  description = "Name of the service."
  value       = module.service.name
}

output "arn" {
  description = "ARN of the service."
  value       = module.service.arn
}

output "task_definition_arn" {
  description = "ARN of the revision."
  value       = module.task_definition.arn
}

output "family" {
  description = "Family of the task definition."
  value       = module.task_definition.family
}

output "log_group" {
  description = "Name of the log group."
  value       = var.log_group
}

output "execution_role_arn" {
  description = "Role ECS starts the tasks with."
  value       = local.execution_role_arn
}

output "task_role_arn" {
  description = "Role the application acts under."
  value       = local.task_role_arn
}

output "alarm_arns" {
  description = "ARNs of the alarms."
  value       = module.service.alarm_arns
}

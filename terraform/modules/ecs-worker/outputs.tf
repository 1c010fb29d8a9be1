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
  value       = module.service.task_definition_arn
}

output "family" {
  description = "Family of the task definition."
  value       = module.service.family
}

output "log_group" {
  description = "Name of the log group."
  value       = module.service.log_group
}

output "execution_role_arn" {
  description = "Role ECS starts the tasks with."
  value       = module.service.execution_role_arn
}

output "task_role_arn" {
  description = "Role the application acts under."
  value       = module.service.task_role_arn
}

output "alarm_arns" {
  description = "ARNs of the alarms."
  value       = module.service.alarm_arns
}

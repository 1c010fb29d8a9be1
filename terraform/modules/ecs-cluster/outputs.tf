output "name" {
  description = "Name of the cluster."
  value       = aws_ecs_cluster.this.name

  # Services name capacity providers, which the cluster must have by then.
  depends_on = [aws_ecs_cluster_capacity_providers.this]
}

output "arn" {
  description = "ARN of the cluster."
  value       = aws_ecs_cluster.this.arn
}

output "log_group_names" {
  description = "Names of the cluster's log groups."
  value       = [for group in values(aws_cloudwatch_log_group.this) : group.name]
}

output "execution_role_arn" {
  description = "ARN of the shared execution role; null without one."
  value       = var.execution_role == null ? null : module.execution_role[0].arn
}

output "task_role_arn" {
  description = "ARN of the shared task role; null without one."
  value       = var.task_role == null ? null : module.task_role[0].arn
}

output "arn" {
  description = "ARN of the revision."
  value       = aws_ecs_task_definition.this.arn
}

output "family" {
  description = "Family of the task definition."
  value       = aws_ecs_task_definition.this.family
}

output "revision" {
  description = "Number of the revision."
  value       = aws_ecs_task_definition.this.revision
}

output "container_name" {
  description = "Name of the container."
  value       = var.container_name
}

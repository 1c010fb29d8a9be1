output "name" {
  description = "Name of the service."
  value       = local.service.name
}

output "arn" {
  description = "ARN of the service."
  value       = local.service.id
}

output "discovery_service_arn" {
  description = "ARN of the Cloud Map service; null without discovery."
  value       = var.discovery == null ? null : aws_service_discovery_service.this[0].arn
}

output "alarm_arns" {
  description = "ARNs of the alarms."
  value       = [for alarm in values(aws_cloudwatch_metric_alarm.utilization) : alarm.arn]
}

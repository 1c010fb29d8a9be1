output "id" {
  description = "Id of the namespace."
  value       = aws_service_discovery_private_dns_namespace.this.id
}

output "arn" {
  description = "ARN of the namespace."
  value       = aws_service_discovery_private_dns_namespace.this.arn
}

output "name" {
  description = "DNS name of the namespace."
  value       = aws_service_discovery_private_dns_namespace.this.name
}

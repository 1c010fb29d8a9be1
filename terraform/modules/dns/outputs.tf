output "zone_id" {
  description = "Id of the hosted zone."
  value       = local.zone_id
}

output "name_servers" {
  description = "Name servers to enter at the registrar, when the zone was made here."
  value       = var.create_zone ? aws_route53_zone.this[0].name_servers : []
}

output "certificate_arn" {
  description = "ARN of the validated certificate; null without one."
  value       = local.certificate ? aws_acm_certificate_validation.this[0].certificate_arn : null
}

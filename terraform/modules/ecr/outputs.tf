output "urls" {
  description = "Addresses to push to and pull from, by repository."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}

output "arns" {
  description = "ARNs by repository."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}

output "name" {
  description = "Name of the pipeline."
  value       = aws_codepipeline.this.name
}

output "connection_arn" {
  description = "Connection that must be confirmed once in the console."
  value       = aws_codestarconnections_connection.this.arn
}

output "connection_status" {
  description = "`PENDING` until it is confirmed, then `AVAILABLE`."
  value       = aws_codestarconnections_connection.this.connection_status
}

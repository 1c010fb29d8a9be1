output "address" {
  description = "Host name of the database."
  value       = aws_db_instance.this.address
}

output "endpoint" {
  description = "`host:port` of the database."
  value       = aws_db_instance.this.endpoint
}

output "identifier" {
  description = "Name of the instance."
  value       = aws_db_instance.this.identifier
}

output "url" {
  description = "Connection string without a password."
  value       = "postgresql://${var.username}@${aws_db_instance.this.address}:${var.port}/${var.database_name}"
}

output "password_secret_arn" {
  description = "Secret with user name and password, made by RDS."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

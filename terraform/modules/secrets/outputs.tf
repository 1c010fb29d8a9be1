output "arns" {
  description = "ARNs of the secrets by name; append `:KEY::` to inject one key of its JSON."
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }

  # A task that starts before the first version exists fails.
  depends_on = [aws_secretsmanager_secret_version.this]
}

output "parameter_arns" {
  description = "ARNs of all parameters by path."
  value = merge(
    { for path, parameter in aws_ssm_parameter.secret : path => parameter.arn },
    { for path, parameter in aws_ssm_parameter.setting : path => parameter.arn },
  )
}

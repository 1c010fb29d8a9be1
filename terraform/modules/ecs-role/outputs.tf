# Whoever uses the role needs its policy too.
output "arn" {
  description = "ARN of the role."
  value       = aws_iam_role.this.arn

  depends_on = [aws_iam_role_policy.this]
}

output "name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

variable "value" { default = "first" }
variable "team" { default = "shop" }
variable "days" { default = 30 }
variable "pattern" { default = "ERROR" }

data "aws_ssm_parameter" "fluent_bit" {
  name = "/aws/service/aws-for-fluent-bit/stable"
}

resource "aws_secretsmanager_secret" "db" {
  name                    = "case/db"
  description             = "of ${var.team}"
  recovery_window_in_days = 0
  tags                    = { Team = var.team }
}

resource "aws_secretsmanager_secret_version" "db" {
  secret_id     = aws_secretsmanager_secret.db.id
  secret_string = jsonencode({ password = var.value })
}

resource "aws_secretsmanager_secret_policy" "db" {
  secret_arn = aws_secretsmanager_secret.db.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "read-${var.team}"
      Effect    = "Allow"
      Principal = "*"
      Action    = "secretsmanager:GetSecretValue"
      Resource  = "*"
    }]
  })
}

resource "aws_ssm_parameter" "url" {
  name        = "/case/url"
  type        = "String"
  description = "of ${var.team}"
  value       = "http://${var.value}"
  overwrite   = true
  tags        = { Team = var.team }
}

resource "aws_ssm_parameter" "key" {
  name  = "/case/key"
  type  = "SecureString"
  value = var.value
}

resource "aws_ssm_parameter" "agent" {
  name  = "/case/agent"
  type  = "String"
  value = data.aws_ssm_parameter.fluent_bit.value
}

resource "aws_cloudwatch_log_group" "app" {
  name              = "/case/app"
  retention_in_days = var.days
  log_group_class   = "STANDARD"
  skip_destroy      = false
  tags              = { Team = var.team }
}

resource "aws_cloudwatch_log_group" "prefixed" {
  name_prefix = "/case/prefixed-"
}

resource "aws_cloudwatch_log_stream" "app" {
  name           = "by-hand"
  log_group_name = aws_cloudwatch_log_group.app.name
}

resource "aws_cloudwatch_log_metric_filter" "errors" {
  name           = "errors"
  log_group_name = aws_cloudwatch_log_group.app.name
  pattern        = var.pattern

  metric_transformation {
    name      = "Errors"
    namespace = "Case"
    value     = "1"
  }
}

resource "aws_cloudwatch_log_resource_policy" "case" {
  policy_name = "case"

  policy_document = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "write-${var.team}"
      Effect    = "Allow"
      Principal = { Service = "es.amazonaws.com" }
      Action    = "logs:PutLogEvents"
      Resource  = "*"
    }]
  })
}

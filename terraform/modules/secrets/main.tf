locals {
  placeholder = "set-me"
}

resource "aws_secretsmanager_secret" "this" {
  for_each = var.secrets

  name                    = "${var.prefix}${each.key}"
  description             = length(each.value) > 0 ? "JSON with ${join(", ", each.value)}" : "One text"
  kms_key_id              = var.kms_key_arn
  recovery_window_in_days = var.recovery_window_days

  tags = var.tags
}

# So that tasks can start, and everybody sees which keys are expected. The true value is put by
# people or by rotation and is not in the code:
#   aws secretsmanager put-secret-value --secret-id NAME --secret-string '{"KEY":"..."}'
resource "aws_secretsmanager_secret_version" "this" {
  for_each = var.secrets

  secret_id = aws_secretsmanager_secret.this[each.key].id
  secret_string = length(each.value) > 0 ? jsonencode({
    for key in each.value : key => lookup(var.initial_values, "${each.key}:${key}", local.placeholder)
  }) : lookup(var.initial_values, each.key, local.placeholder)

  lifecycle {
    ignore_changes = [secret_string]
  }
}

#   aws ssm put-parameter --overwrite --type SecureString --name PATH --value ...
resource "aws_ssm_parameter" "secret" {
  for_each = toset(var.parameters)

  name        = each.key
  description = "Set by hand, see the module's README"
  type        = "SecureString"
  key_id      = var.kms_key_arn
  value       = lookup(var.initial_values, each.key, local.placeholder)

  tags = var.tags

  lifecycle {
    ignore_changes = [value]
  }
}

resource "aws_ssm_parameter" "setting" {
  for_each = var.settings

  name  = each.key
  type  = "String"
  value = each.value

  tags = var.tags
}

variable "team" { default = "shop" }
variable "action" { default = "sqs:SendMessage" }
variable "session" { default = 3600 }
variable "description" { default = "of the shop" }
variable "service" { default = "ecs-tasks.amazonaws.com" }
variable "rotation" { default = true }
variable "enabled" { default = true }

data "aws_caller_identity" "current" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [var.service]
    }
  }
}

data "aws_iam_policy_document" "queue" {
  statement {
    sid       = "Queue"
    actions   = [var.action]
    resources = ["*"]
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_iam_role" "task" {
  name                  = "task"
  path                  = "/shop/"
  description           = var.description
  assume_role_policy    = data.aws_iam_policy_document.trust.json
  max_session_duration  = var.session
  force_detach_policies = true
  permissions_boundary  = aws_iam_policy.boundary.arn
  tags                  = { Team = var.team }
}

resource "aws_iam_role" "execution" {
  name_prefix        = "execution-"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "queue" {
  name   = "queue"
  role   = aws_iam_role.task.id
  policy = data.aws_iam_policy_document.queue.json
}

resource "aws_iam_role_policy" "prefixed" {
  name_prefix = "queue-"
  role        = aws_iam_role.execution.name
  policy      = data.aws_iam_policy_document.queue.json
}

resource "aws_iam_policy" "queue" {
  name        = "queue"
  path        = "/shop/"
  description = "What the queue may be used for"
  policy      = data.aws_iam_policy_document.queue.json
  tags        = { Team = var.team }
}

resource "aws_iam_policy" "boundary" {
  name_prefix = "boundary-"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "*", Resource = "*" }]
  })
}

resource "aws_iam_role_policy_attachment" "queue" {
  role       = aws_iam_role.task.name
  policy_arn = aws_iam_policy.queue.arn
}

resource "aws_iam_role_policy_attachment" "execution" {
  for_each = toset([
    "arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy",
    "arn:aws:iam::aws:policy/AWSCodeDeployRoleForECS",
    "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole",
  ])
  role       = aws_iam_role.execution.name
  policy_arn = each.value
}

resource "aws_iam_instance_profile" "host" {
  name = "host"
  role = aws_iam_role.execution.name
  tags = { Team = var.team }
}

resource "aws_iam_service_linked_role" "ecs" {
  aws_service_name = "ecs.amazonaws.com"
}

resource "aws_iam_openid_connect_provider" "ci" {
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = ["sts.amazonaws.com", var.team]
  thumbprint_list = ["6938fd4d98bab03faadb97b34396831e3780aea1"]
  tags            = { Team = var.team }
}

resource "aws_kms_key" "data" {
  description              = var.description
  customer_master_key_spec = "SYMMETRIC_DEFAULT"
  key_usage                = "ENCRYPT_DECRYPT"
  deletion_window_in_days  = 7
  enable_key_rotation      = var.rotation
  is_enabled               = var.enabled
  tags                     = { Team = var.team }
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Account"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${data.aws_caller_identity.current.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_key" "other" {
  deletion_window_in_days = 7
}

resource "aws_kms_alias" "data" {
  name          = "alias/shop"
  target_key_id = var.enabled ? aws_kms_key.data.key_id : aws_kms_key.other.key_id
}

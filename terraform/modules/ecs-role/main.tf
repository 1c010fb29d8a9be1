locals {
  granted = concat(
    length(var.repository_arns) == 0 ? [] : [
      { Sid = "RegistryLogin", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
      {
        Sid      = "PullImages"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arns
      },
    ],
    length(var.log_group_arns) == 0 ? [] : [{
      Sid      = "WriteLogs"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = [for arn in var.log_group_arns : "${arn}:*"]
    }],
    length(var.secret_arns) == 0 ? [] : [{
      Sid      = "ReadSecrets"
      Action   = ["secretsmanager:GetSecretValue"]
      Resource = var.secret_arns
    }],
    length(var.parameter_arns) == 0 ? [] : [{
      Sid      = "ReadParameters"
      Action   = ["ssm:GetParameters"]
      Resource = var.parameter_arns
    }],
    length(var.kms_key_arns) == 0 ? [] : [{
      Sid      = "Decrypt"
      Action   = ["kms:Decrypt"]
      Resource = var.kms_key_arns
    }],
    var.exec_enabled ? [{
      Sid = "ExecChannel"
      Action = [
        "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
      ]
      Resource = ["*"]
    }] : [],
    [for statement in var.statements : { Sid = statement.sid, Action = statement.actions, Resource = statement.resources }],
  )
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = var.kind == "execution" ? "ECS starts tasks with it: images, logs, secrets" : "What the application in the tasks may do"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge(
      {
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = "ecs-tasks.amazonaws.com" }
      },
      # Only on behalf of this account's own tasks.
      var.account_id == null ? {} : { Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } } },
    )]
  })

  tags = var.tags
}

resource "aws_iam_role_policy" "this" {
  count = length(local.granted) > 0 ? 1 : 0

  name = var.kind
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in local.granted : merge({ Effect = "Allow" }, statement)]
  })
}

locals {
  log_kms_key_arn = module.log_key.arn
}

module "log_key" {
  source = "../../../terraform/modules/kms-key"

  alias              = "${local.prefix}-logs"
  description        = "Logs of ${local.prefix}"
  account_id         = local.account
  region             = var.region
  log_group_prefixes = ["/aws/ecs/${local.prefix}/"]
}

module "ecs_cluster" {
  source = "../../../terraform/modules/ecs-cluster"

  name           = local.cluster
  exec_log_group = "/aws/ecs/${local.prefix}/exec"
  kms_key_arn    = local.log_kms_key_arn
  account_id     = local.account

  execution_role = "${local.prefix}-execution"
  execution_role_access = {
    repository_arns = ["arn:aws:ecr:${var.region}:${local.account}:repository/broxiva/*"]
    log_group_arns  = ["arn:aws:logs:${var.region}:${local.account}:log-group:/aws/ecs/${local.prefix}/*"]
    secret_arns     = values(module.secrets.arns)
    parameter_arns  = values(module.secrets.parameter_arns)
    kms_key_arns    = []
  }

  task_role              = "${local.prefix}-task"
  task_role_exec_enabled = true
  task_role_statements = [
    {
      sid       = "Buckets"
      actions   = ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]
      resources = ["arn:aws:s3:::${local.prefix}-*", "arn:aws:s3:::${local.prefix}-*/*"]
    },
    {
      sid       = "Queues"
      actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
      resources = values(module.messaging.queue_arns)
    },
    { sid = "Topics", actions = ["sns:Publish"], resources = values(module.messaging.topic_arns) },
    { sid = "Mail", actions = ["ses:SendEmail", "ses:SendRawEmail"], resources = ["arn:aws:ses:${var.region}:${local.account}:identity/${local.domain}"] },
    { sid = "Traces", actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources = ["*"] },
    { sid = "ExecLog", actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], resources = ["arn:aws:logs:${var.region}:${local.account}:log-group:/aws/ecs/${local.prefix}/exec:*"] },
    { sid = "ExecLogGroups", actions = ["logs:DescribeLogGroups"], resources = ["*"] },
  ]
}

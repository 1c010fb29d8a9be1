locals {
  log_kms_key_arn = null
}

module "ecs_cluster" {
  source = "../../../terraform/modules/ecs-cluster"

  name       = local.cluster
  account_id = local.account
  log_groups = { (local.log_group) = local.environment.log_retention_days }

  execution_role = "${local.prefix}-execution"
  execution_role_access = {
    repository_arns = values(module.ecr.arns)
    log_group_arns  = []
    secret_arns     = []
    parameter_arns  = values(module.secrets.parameter_arns)
    kms_key_arns    = []
  }

  task_role = "${local.prefix}-task"
  task_role_statements = [
    { sid = "Metrics", actions = ["cloudwatch:PutMetricData"], resources = ["*"] },
    { sid = "Files", actions = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], resources = ["arn:aws:s3:::${local.prefix}-*/*"] },
  ]
}

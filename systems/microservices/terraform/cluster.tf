locals {
  log_kms_key_arn = null
}

# One execution role for all; a task role of its own for every service and environment.
module "ecs_cluster" {
  source = "../../../terraform/modules/ecs-cluster"

  name       = local.cluster
  account_id = local.account

  execution_role = "${local.prefix}-execution"
  execution_role_access = {
    repository_arns = values(module.ecr.arns)
    log_group_arns  = [for service in values(local.services) : "arn:aws:logs:${var.region}:${local.account}:log-group:${service.log_group}"]
    secret_arns     = values(module.secrets.arns)
    parameter_arns  = []
    kms_key_arns    = []
  }
}

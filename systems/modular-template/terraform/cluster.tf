locals {
  log_kms_key_arn = null
}

module "ecs_cluster" {
  source = "../../../terraform/modules/ecs-cluster"

  name = local.cluster
}

module "ecr" {
  source = "../../../terraform/modules/ecr"

  repositories = [local.prefix]
  force_delete = !local.environment.protected
}

module "ecr" {
  source = "../../../terraform/modules/ecr"
  count  = var.create_repositories ? 1 : 0

  repositories = distinct([for service in values(local.services) : service.repository])
  force_delete = !local.protected
}

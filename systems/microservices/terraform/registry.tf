module "ecr" {
  source = "../../../terraform/modules/ecr"
  count  = var.create_repositories ? 1 : 0

  repositories = distinct([for service in values(local.services) : service.repository])
  keep_images  = 100
  force_delete = !local.protected
}

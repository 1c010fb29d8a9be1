module "ecr" {
  source = "../../../terraform/modules/ecr"

  repositories = [for service in values(local.described) : service.repository]
  keep_images  = 100
  force_delete = !var.protect
}

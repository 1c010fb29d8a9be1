module "ecr" {
  source = "<<modules>>/ecr"
  count  = var.create_repositories ? 1 : 0

  repositories = distinct([for service in values(local.services) : service.repository])
  keep_images = <<keep_images>> #if keep_images
  force_delete = !local.protected
}

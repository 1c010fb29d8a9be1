# Static files of the application.
module "cdn" {
  source = "../../../terraform/modules/bucket-cdn"
  count  = var.enable_cdn ? 1 : 0

  bucket        = "${local.prefix}-static-${local.account}"
  comment       = local.network.name
  force_destroy = !local.protected
}

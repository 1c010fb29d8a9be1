module "cdn" {
  source = "../../../terraform/modules/bucket-cdn"
  count  = var.enable_cdn ? 1 : 0

  bucket             = "${local.prefix}-frontend-${local.account}"
  comment            = local.network.name
  api_origin_enabled = true
  api_origin         = module.alb.dns_name
  api_origin_https   = local.https
  api_paths          = ["/api/*", "/health"]
  force_destroy      = !local.protected
}

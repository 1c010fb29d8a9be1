module "cdn" {
  source = "../../../terraform/modules/bucket-cdn"

  bucket             = "${local.prefix}-frontend-${local.account}"
  comment            = local.prefix
  api_origin_enabled = true
  api_origin         = module.alb.dns_name
  api_origin_https   = local.https
  api_paths          = ["/api/*", "/health"]
  force_destroy      = !local.environment.protected
}

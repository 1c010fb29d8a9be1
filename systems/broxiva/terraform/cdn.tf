# Users come in here: pages and API from the load balancer, files from the bucket.
module "cdn" {
  source = "../../../terraform/modules/bucket-cdn"
  count  = var.enable_cdn ? 1 : 0

  bucket             = "${local.prefix}-static-${local.account}"
  comment            = local.network.name
  api_origin_enabled = true
  api_origin         = module.alb.dns_name
  api_origin_https   = local.https
  bucket_paths       = ["/static/*", "/media/*"]
  force_destroy      = !local.protected
}

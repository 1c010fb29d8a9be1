<<cdn_comment>>
module "cdn" {
  source = "<<modules>>/bucket-cdn"
  count  = var.enable_cdn ? 1 : 0

  bucket             = <<bucket>>
  comment            = local.network.name
#if cdn_api
  api_origin_enabled = true
  api_origin         = module.alb.dns_name
  api_origin_https   = local.https
<<cdn_paths>>
#end
  force_destroy      = !local.protected
}

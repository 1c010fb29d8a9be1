locals {
  # Policies that AWS manages; their ids are the same in every account.
  managed_policies = {
    caching_optimized = "658327ea-f89d-4fab-a63d-7e88639e58f6"
    caching_disabled  = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
    all_viewer        = "216adef6-5c7f-47e4-b989-5492eafa07d3"
    security_headers  = "67f7725c-6f97-4210-82d7-5512b31e9d03"
  }
  bucket_origin = "bucket"
  api_origin    = "api"

  # Files are kept at the edge; answers of the API never are, and it sees the request as it came.
  behaviors = {
    bucket = {
      target_origin_id         = local.bucket_origin
      allowed_methods          = ["GET", "HEAD", "OPTIONS"]
      cache_policy_id          = local.managed_policies.caching_optimized
      origin_request_policy_id = null
    }
    api = {
      target_origin_id         = local.api_origin
      allowed_methods          = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
      cache_policy_id          = local.managed_policies.caching_disabled
      origin_request_policy_id = local.managed_policies.all_viewer
    }
  }
  default_origin = var.api_origin_enabled && length(var.bucket_paths) > 0 ? local.api_origin : local.bucket_origin
  other_origin   = local.default_origin == local.api_origin ? local.bucket_origin : local.api_origin
  other_paths    = local.default_origin == local.api_origin ? var.bucket_paths : var.api_paths
}

resource "aws_s3_bucket" "this" {
  bucket        = var.bucket
  force_destroy = var.force_destroy

  tags = var.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket = aws_s3_bucket.this.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id

  rule {
    id     = "old-versions"
    status = "Enabled"

    filter {}

    noncurrent_version_expiration {
      noncurrent_days = var.noncurrent_days
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_cloudfront_origin_access_identity" "this" {
  comment = var.comment
}

# Only the distribution reads the bucket.
resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Distribution"
      Effect    = "Allow"
      Principal = { AWS = aws_cloudfront_origin_access_identity.this.iam_arn }
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.this.arn}/*"
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_cloudfront_distribution" "this" {
  enabled             = true
  comment             = var.comment
  aliases             = var.aliases
  default_root_object = local.default_origin == local.bucket_origin ? var.default_root_object : null
  http_version        = "http2"
  is_ipv6_enabled     = true
  price_class         = var.price_class
  web_acl_id          = var.web_acl_id

  origin {
    origin_id   = local.bucket_origin
    domain_name = aws_s3_bucket.this.bucket_regional_domain_name

    s3_origin_config {
      origin_access_identity = aws_cloudfront_origin_access_identity.this.cloudfront_access_identity_path
    }
  }

  dynamic "origin" {
    for_each = var.api_origin_enabled ? [local.api_origin] : []

    content {
      origin_id   = origin.value
      domain_name = var.api_origin

      custom_origin_config {
        http_port              = 80
        https_port             = 443
        origin_protocol_policy = var.api_origin_https ? "https-only" : "http-only"
        origin_ssl_protocols   = ["TLSv1.2"]
      }
    }
  }

  default_cache_behavior {
    target_origin_id           = local.behaviors[local.default_origin].target_origin_id
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = local.behaviors[local.default_origin].allowed_methods
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    cache_policy_id            = local.behaviors[local.default_origin].cache_policy_id
    origin_request_policy_id   = local.behaviors[local.default_origin].origin_request_policy_id
    response_headers_policy_id = local.managed_policies.security_headers
  }

  dynamic "ordered_cache_behavior" {
    for_each = var.api_origin_enabled ? local.other_paths : []

    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = local.behaviors[local.other_origin].target_origin_id
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = local.behaviors[local.other_origin].allowed_methods
      cached_methods             = ["GET", "HEAD"]
      compress                   = true
      cache_policy_id            = local.behaviors[local.other_origin].cache_policy_id
      origin_request_policy_id   = local.behaviors[local.other_origin].origin_request_policy_id
      response_headers_policy_id = local.managed_policies.security_headers
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = var.certificate_arn == null
    acm_certificate_arn            = var.certificate_arn
    ssl_support_method             = var.certificate_arn == null ? null : "sni-only"
    minimum_protocol_version       = var.certificate_arn == null ? "TLSv1" : "TLSv1.2_2021"
  }

  tags = var.tags
}

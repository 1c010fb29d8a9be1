# Buckets with all that the example systems set on them, and objects.

variable "environment" {
  type    = string
  default = "test"
}

variable "expire_days" {
  type    = number
  default = 90
}

variable "origins" {
  type    = list(string)
  default = ["https://shop.example"]
}

variable "block_public" {
  type    = bool
  default = true
}

variable "index" {
  type    = string
  default = "index.html"
}

variable "versioning" {
  type    = string
  default = "Enabled"
}

resource "aws_s3_bucket" "site" {
  bucket        = "shop-site-test"
  force_destroy = true
  tags          = { Environment = var.environment }
}

resource "aws_s3_bucket" "plain" {
  bucket_prefix = "shop-plain-"
}

resource "aws_s3_bucket" "locked" {
  bucket              = "shop-locked-test"
  object_lock_enabled = true
}

resource "aws_s3_bucket_cors_configuration" "site" {
  bucket = aws_s3_bucket.site.id

  cors_rule {
    allowed_headers = ["*"]
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = var.origins
    max_age_seconds = 3000
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "site" {
  bucket = aws_s3_bucket.site.id

  rule {
    id     = "expire"
    status = "Enabled"
    filter {}

    transition {
      days          = 30
      storage_class = "STANDARD_IA"
    }
    expiration {
      days = var.expire_days
    }
    noncurrent_version_transition {
      noncurrent_days = 30
      storage_class   = "STANDARD_IA"
    }
    noncurrent_version_expiration {
      noncurrent_days = 60
    }
  }
}

resource "aws_s3_bucket_policy" "site" {
  bucket = aws_s3_bucket.site.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Read${title(var.environment)}"
      Effect    = "Allow"
      Principal = { Service = "cloudfront.amazonaws.com" }
      Action    = "s3:GetObject"
      Resource  = "${aws_s3_bucket.site.arn}/*"
    }]
  })
}

resource "aws_s3_bucket_public_access_block" "site" {
  bucket                  = aws_s3_bucket.site.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = var.block_public
}

resource "aws_s3_bucket_server_side_encryption_configuration" "site" {
  bucket = aws_s3_bucket.site.id

  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "site" {
  bucket = aws_s3_bucket.site.id
  versioning_configuration {
    status = var.versioning
  }
}

resource "aws_s3_bucket_website_configuration" "site" {
  bucket = aws_s3_bucket.site.id
  index_document {
    suffix = var.index
  }
}

resource "aws_s3_bucket_ownership_controls" "site" {
  bucket = aws_s3_bucket.site.id
  rule {
    object_ownership = "BucketOwnerPreferred"
  }
}

resource "aws_s3_object" "page" {
  bucket       = aws_s3_bucket.site.id
  key          = "pages/${var.index}"
  content      = "<h1>${var.environment}</h1>"
  content_type = "text/html"
  tags         = { Environment = var.environment }
}

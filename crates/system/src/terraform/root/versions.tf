terraform {
  required_version = ">= 1.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

# AWS_ENDPOINT_URL alone decides whether this is AWS or Neargate.
provider "aws" {
  region = var.region
  # Buckets as a part of the path: AWS understands both, a local endpoint only this.
  s3_use_path_style = true

  default_tags {
    tags = local.tags
  }
}

data "aws_caller_identity" "this" {}

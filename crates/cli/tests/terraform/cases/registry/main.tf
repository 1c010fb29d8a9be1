variable "mutability" { default = "MUTABLE" }
variable "scan" { default = true }
variable "keep" { default = 10 }
variable "team" { default = "shop" }

resource "aws_ecr_repository" "api" {
  name                 = "case/api"
  image_tag_mutability = var.mutability
  force_delete         = true
  tags                 = { Team = var.team }

  image_scanning_configuration {
    scan_on_push = var.scan
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_repository" "plain" {
  name = "case/plain"
}

resource "aws_ecr_lifecycle_policy" "api" {
  repository = aws_ecr_repository.api.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "the newest"
      selection = {
        tagStatus   = "any"
        countType   = "imageCountMoreThan"
        countNumber = var.keep
      }
      action = { type = "expire" }
    }]
  })
}

resource "aws_ecr_repository_policy" "api" {
  repository = aws_ecr_repository.api.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "pull-${var.team}"
      Effect    = "Allow"
      Principal = "*"
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    }]
  })
}

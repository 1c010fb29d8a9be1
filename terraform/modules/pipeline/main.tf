locals {
  # One file per service tells the deployment which container gets which image.
  definitions = { for service, container in var.deployments : service => "${service}-imagedefinitions.json" }
  buildspec = {
    version = "0.2"
    phases = {
      pre_build = {
        commands = [
          "aws ecr get-login-password --region $AWS_REGION | docker login --username AWS --password-stdin $${IMAGE_REPOSITORY%%/*}",
          "TAG=$(echo $CODEBUILD_RESOLVED_SOURCE_VERSION | cut -c 1-7)",
        ]
      }
      build = {
        commands = ["docker build -t $IMAGE_REPOSITORY:$TAG -t $IMAGE_REPOSITORY:latest ."]
      }
      post_build = {
        commands = concat(
          ["docker push $IMAGE_REPOSITORY:$TAG", "docker push $IMAGE_REPOSITORY:latest"],
          [
            for service, container in var.deployments :
            "printf '[{\"name\":\"%s\",\"imageUri\":\"%s\"}]' ${container} $IMAGE_REPOSITORY:$TAG > ${local.definitions[service]}"
          ],
          # Tells what the scan of the image found; it does not stop the run.
          ["aws ecr describe-image-scan-findings --repository-name $${IMAGE_REPOSITORY#*/} --image-id imageTag=$TAG --query imageScanFindings.findingSeverityCounts || true"],
        )
      }
    }
    artifacts = { files = values(local.definitions) }
  }
}

# Confirmed once by hand in the console; until then the source stage waits.
resource "aws_codestarconnections_connection" "this" {
  name          = var.name
  provider_type = var.provider_type

  tags = var.tags
}

resource "aws_s3_bucket" "artifacts" {
  bucket        = "${var.name}-artifacts-${var.account_id}"
  force_destroy = true

  tags = var.tags
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id

  rule {
    id     = "expire"
    status = "Enabled"

    filter {}

    expiration {
      days = 30
    }

    abort_incomplete_multipart_upload {
      days_after_initiation = 7
    }
  }
}

resource "aws_cloudwatch_log_group" "build" {
  name              = "/aws/codebuild/${var.name}"
  retention_in_days = var.log_retention_days

  tags = var.tags
}

resource "aws_iam_role" "build" {
  name        = "${var.name}-build"
  description = "Builds and pushes the image of ${var.name}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "codebuild.amazonaws.com" } }]
  })

  tags = var.tags
}

resource "aws_iam_role_policy" "build" {
  name = "build"
  role = aws_iam_role.build.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.build.arn}:*"
      },
      {
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
        Resource = "${aws_s3_bucket.artifacts.arn}/*"
      },
      { Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
      {
        Effect = "Allow"
        Action = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImageScanFindings",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        Resource = var.image_repository.arn
      },
    ]
  })
}

resource "aws_codebuild_project" "this" {
  name          = var.name
  description   = "Builds and pushes the image"
  service_role  = aws_iam_role.build.arn
  build_timeout = 30

  artifacts {
    type = "CODEPIPELINE"
  }

  environment {
    type            = "LINUX_CONTAINER"
    compute_type    = "BUILD_GENERAL1_SMALL"
    image           = "aws/codebuild/standard:7.0"
    privileged_mode = true # docker build

    environment_variable {
      name  = "IMAGE_REPOSITORY"
      value = var.image_repository.url
    }
  }

  source {
    type      = "CODEPIPELINE"
    buildspec = yamlencode(local.buildspec)
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.build.name
    }
  }

  tags = var.tags
}

resource "aws_iam_role" "pipeline" {
  name        = "${var.name}-pipeline"
  description = "Runs the stages of ${var.name}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "codepipeline.amazonaws.com" } }]
  })

  tags = var.tags
}

resource "aws_iam_role_policy" "pipeline" {
  name = "pipeline"
  role = aws_iam_role.pipeline.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["s3:GetBucketVersioning", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
        Resource = [aws_s3_bucket.artifacts.arn, "${aws_s3_bucket.artifacts.arn}/*"]
      },
      {
        Effect   = "Allow"
        Action   = "codestar-connections:UseConnection"
        Resource = aws_codestarconnections_connection.this.arn
      },
      {
        Effect   = "Allow"
        Action   = ["codebuild:BatchGetBuilds", "codebuild:StartBuild"]
        Resource = aws_codebuild_project.this.arn
      },
      {
        Effect   = "Allow"
        Action   = ["ecs:DescribeServices", "ecs:UpdateService"]
        Resource = [for service in keys(var.deployments) : "arn:aws:ecs:${var.region}:${var.account_id}:service/${var.cluster}/${service}"]
      },
      # These have no resource to limit them to.
      { Effect = "Allow", Action = ["ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition", "ecs:DescribeTasks", "ecs:ListTasks", "ecs:TagResource"], Resource = "*" },
      {
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      },
    ]
  })
}

resource "aws_codepipeline" "this" {
  name          = var.name
  role_arn      = aws_iam_role.pipeline.arn
  pipeline_type = "V2"

  artifact_store {
    type     = "S3"
    location = aws_s3_bucket.artifacts.id
  }

  stage {
    name = "Source"

    action {
      name             = "Source"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeStarSourceConnection"
      version          = "1"
      output_artifacts = ["source"]
      configuration = {
        ConnectionArn    = aws_codestarconnections_connection.this.arn
        FullRepositoryId = var.repository
        BranchName       = var.branch
      }
    }
  }

  stage {
    name = "Build"

    action {
      name             = "Build"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      input_artifacts  = ["source"]
      output_artifacts = ["definitions"]
      configuration    = { ProjectName = aws_codebuild_project.this.name }
    }
  }

  stage {
    name = "Deploy"

    dynamic "action" {
      for_each = var.deployments

      content {
        name            = action.key
        category        = "Deploy"
        owner           = "AWS"
        provider        = "ECS"
        version         = "1"
        run_order       = 1
        input_artifacts = ["definitions"]
        configuration = {
          ClusterName       = var.cluster
          ServiceName       = action.key
          FileName          = local.definitions[action.key]
          DeploymentTimeout = tostring(var.deploy_timeout_minutes)
        }
      }
    }
  }

  tags = var.tags
}

resource "aws_cloudwatch_event_rule" "failed" {
  count = var.notifications_enabled ? 1 : 0

  name        = "${var.name}-failed"
  description = "A run of ${var.name} failed"
  event_pattern = jsonencode({
    source        = ["aws.codepipeline"]
    "detail-type" = ["CodePipeline Pipeline Execution State Change"]
    detail        = { pipeline = [var.name], state = ["FAILED"] }
  })

  tags = var.tags
}

resource "aws_cloudwatch_event_target" "failed" {
  count = var.notifications_enabled ? 1 : 0

  rule = aws_cloudwatch_event_rule.failed[0].name
  arn  = var.notification_topic_arn
}

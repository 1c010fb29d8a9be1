variable "team" { default = "shop" }
variable "branch" { default = "main" }
variable "value" { default = "1" }
variable "wait" { default = 5 }
variable "logging" { default = true }
variable "frequency" { default = "SIX_HOURS" }
variable "s3_logs" { default = true }
variable "application" { default = "shop" }

resource "aws_codestarconnections_connection" "source" {
  name          = "shop"
  provider_type = "GitHub"
  tags          = { Team = var.team }
}

resource "aws_codebuild_project" "image" {
  name           = "shop-image"
  description    = "Builds the image of ${var.team}"
  service_role   = "arn:aws:iam::000000000000:role/build"
  build_timeout  = 15
  queued_timeout = 30
  tags           = { Team = var.team }

  artifacts {
    type = "CODEPIPELINE"
  }

  environment {
    type                        = "LINUX_CONTAINER"
    compute_type                = "BUILD_GENERAL1_SMALL"
    image                       = "aws/codebuild/amazonlinux2-x86_64-standard:5.0"
    image_pull_credentials_type = "CODEBUILD"
    privileged_mode             = true

    environment_variable {
      name  = "STAGE"
      value = var.value
    }
    environment_variable {
      name  = "TOKEN"
      type  = "PARAMETER_STORE"
      value = "/shop/token"
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name  = "/codebuild/shop"
      stream_name = "image"
    }
  }

  source {
    type      = "CODEPIPELINE"
    buildspec = "buildspec.yml"
  }
}

resource "aws_codepipeline" "main" {
  name           = "shop"
  role_arn       = "arn:aws:iam::000000000000:role/pipeline"
  pipeline_type  = "V2"
  execution_mode = "QUEUED"
  tags           = { Team = var.team }

  artifact_store {
    type     = "S3"
    location = "artifacts"
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
        ConnectionArn    = aws_codestarconnections_connection.source.arn
        FullRepositoryId = "shop/shop"
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
      run_order        = 2
      input_artifacts  = ["source"]
      output_artifacts = ["image"]
      configuration    = { ProjectName = aws_codebuild_project.image.name }
    }
  }
}

resource "aws_codedeploy_app" "main" {
  name             = var.application
  compute_platform = "ECS"
  tags             = { Team = var.team }
}

resource "aws_codedeploy_deployment_group" "web" {
  app_name                    = aws_codedeploy_app.main.name
  deployment_group_name       = "web"
  deployment_config_name      = "CodeDeployDefault.ECSAllAtOnce"
  service_role_arn            = "arn:aws:iam::000000000000:role/deploy"
  outdated_instances_strategy = "UPDATE"
  tags                        = { Team = var.team }

  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE"]
  }

  blue_green_deployment_config {
    deployment_ready_option {
      action_on_timeout = "CONTINUE_DEPLOYMENT"
    }
    terminate_blue_instances_on_deployment_success {
      action                           = "TERMINATE"
      termination_wait_time_in_minutes = var.wait
    }
  }

  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }

  ecs_service {
    cluster_name = "main"
    service_name = "web"
  }

  load_balancer_info {
    target_group_pair_info {
      prod_traffic_route {
        listener_arns = ["arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/lb/1/2"]
      }
      target_group {
        name = "blue"
      }
      target_group {
        name = "green"
      }
    }
  }
}

resource "aws_cloudtrail" "audit" {
  name                          = "audit"
  s3_bucket_name                = "audit"
  enable_logging                = var.logging
  enable_log_file_validation    = true
  include_global_service_events = true
  is_multi_region_trail         = true
  cloud_watch_logs_group_arn    = "arn:aws:logs:us-east-1:000000000000:log-group:audit:*"
  cloud_watch_logs_role_arn     = "arn:aws:iam::000000000000:role/audit"
  kms_key_id                    = "arn:aws:kms:us-east-1:000000000000:key/11111111-1111-4111-8111-111111111111"
  tags                          = { Team = var.team }

  event_selector {
    read_write_type           = "All"
    include_management_events = true
    data_resource {
      type   = "AWS::S3::Object"
      values = ["arn:aws:s3:::${var.team}/"]
    }
  }
}

resource "aws_guardduty_detector" "main" {
  enable                       = true
  finding_publishing_frequency = var.frequency
  tags                         = { Team = var.team }

  datasources {
    s3_logs {
      enable = var.s3_logs
    }
    kubernetes {
      audit_logs {
        enable = false
      }
    }
    malware_protection {
      scan_ec2_instance_with_findings {
        ebs_volumes {
          enable = true
        }
      }
    }
  }
}

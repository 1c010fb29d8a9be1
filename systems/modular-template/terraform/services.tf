locals {
  # What all services have in common; a service's own keys win, an environment's over both.
  defaults = {
    image_tag                         = var.image_tag
    port                              = 8080
    cpu                               = 256
    memory                            = 512
    command                           = null
    environment                       = { ENVIRONMENT = local.environment.name, URLS = "http://+:8080" }
    secrets                           = {}
    health_check                      = { command = ["CMD", "neargate", "stand-in", "check"], interval = 30, timeout = 5, retries = 3, start_period = 60 }
    nofile                            = null
    stop_timeout                      = null
    init_process                      = false
    log_retention_days                = 30
    desired_count                     = 2
    desired_count_on_every_apply      = false
    min                               = 1
    max                               = 10
    scale_on_cpu                      = 70
    scale_on_memory                   = null
    scale_on_requests                 = null
    scale_out_cooldown                = 60
    scale_in_cooldown                 = 120
    custom_metric                     = null
    capacity_provider_strategy        = [{ capacity_provider = "FARGATE", base = 0, weight = 1 }]
    minimum_healthy_percent           = 100
    maximum_percent                   = 200
    health_check_grace_period_seconds = null
    enable_execute_command            = false
    subnets                           = ["private-a", "private-b"]
    security_groups                   = ["tasks"]
    deregistration_delay              = 300
    health_path                       = "/health"
    health_matcher                    = "200"
    health_interval                   = 30
    health_timeout                    = 5
    healthy_threshold                 = 2
    unhealthy_threshold               = 3
    tags                              = {}
  }

  described = {
    orders = {
      rules = [{ priority = 110, path_patterns = ["/api/v*/orders*"] }]
    }

    sales = {
      rules = [{ priority = 120, path_patterns = ["/api/v*/sales*"] }]
    }

    customer = {
      rules = [{ priority = 130, path_patterns = ["/api/v*/customers*"] }]
    }

    inventory = {
      rules = [{ priority = 140, path_patterns = ["/api/v*/stock*"] }]
    }

    organization = {
      rules = [{ priority = 150, path_patterns = ["/api/v*/organizations*"] }]
    }

    sample = {
      rules = [{ priority = 160, path_patterns = ["/api/v*/products*", "/api/v*/catalogs*"] }]
    }
  }

  services = {
    for key, service in local.described : key => merge(
      local.defaults,
      {
        name                = "${key}-service"
        family              = "${key}-task${local.suffix}"
        container_name      = "${key}-api"
        repository          = "modular-api-${key}"
        log_group           = "/ecs${local.environment.log_folder}/${key}-api"
        execution_role_name = "modular-${key}-execution${local.suffix}"
        task_role_name      = "modular-${key}-task${local.suffix}"
        target_group_name   = "modular-${key}${local.suffix}"
        # Only the module's own queue is read; events leave by the one topic.
        task_role_statements = [
          {
            sid       = "OwnQueue"
            actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage"]
            resources = [module.messaging.queue_arns[key]]
          },
          { sid = "Events", actions = ["sns:Publish"], resources = [module.messaging.topic_arns["events"]] },
          { sid = "Files", actions = ["s3:GetObject", "s3:PutObject"], resources = ["arn:aws:s3:::modular${local.suffix}-*/*"] },
        ]
      },
      service,
      lookup(local.environment.services, key, {}),
      lookup(var.overrides, key, {}),
      {
        environment = merge(
          local.defaults.environment,
          { Messaging__AwsMessaging__SqsQueueUrl = module.messaging.queue_urls[key] },
          lookup(service, "environment", {}),
          lookup(lookup(var.overrides, key, {}), "environment", {}),
        )
        secrets = merge(
          local.defaults.secrets,
          {
            ConnectionStrings__Database = "${local.parameter}/${key}/database-connection"
            ConnectionStrings__Cache    = "${local.parameter}/redis-connection"
          },
          lookup(service, "secrets", {}),
          lookup(lookup(var.overrides, key, {}), "secrets", {}),
        )
      },
    )
  }
}

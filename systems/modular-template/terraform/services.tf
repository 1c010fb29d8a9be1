locals {
  # What all services have in common; then comes what a service's name is part of,
  # then a service's own. At each step an environment may say something else.
  defaults = {
    name                  = null
    family                = null
    container_name        = null
    repository            = null
    image_tag             = "latest"
    cpu                   = 256
    memory                = 512
    ephemeral_storage_gib = null
    port                  = 8080
    command               = null
    environment           = { ENVIRONMENT = local.environment.environment_name, URLS = "http://+:8080" }
    secrets               = { ConnectionStrings__Cache = "${local.parameter}/redis-connection" }
    health_check = {
      command      = ["CMD", "neargate", "stand-in", "check"]
      interval     = 30
      timeout      = 5
      retries      = 3
      start_period = 60
    }
    nofile                            = null
    stop_timeout                      = null
    init_process                      = false
    user                              = null
    readonly_root_filesystem          = false
    log_group                         = null
    log_retention_days                = 30
    execution_role_name               = null
    task_role_name                    = null
    task_role_statements              = []
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
    circuit_breaker                   = true
    circuit_breaker_rollback          = true
    availability_zone_rebalancing     = true
    health_check_grace_period_seconds = null
    enable_execute_command            = false
    subnets                           = ["private-a", "private-b"]
    security_groups                   = ["tasks"]
    rules                             = []
    target_group                      = true
    target_group_name                 = null
    deregistration_delay              = 300
    health_path                       = "/health"
    health_matcher                    = "200"
    health_interval                   = 30
    health_timeout                    = 5
    healthy_threshold                 = 2
    unhealthy_threshold               = 3
    discovery                         = false
    discovery_name                    = null
    discovery_ttl                     = 60
    discovery_srv                     = false
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

  # The layers of a service, the later winning.
  layers = {
    for key, service in local.described : key => [
      local.defaults,
      {
        key                 = key
        tags                = { Service = key }
        name                = "${key}-service"
        family              = "${key}-task${local.environment.suffix}"
        container_name      = "${key}-api"
        repository          = "modular-api-${key}"
        image_tag           = var.image_tag
        execution_role_name = "modular-${key}-execution${local.environment.suffix}"
        task_role_name      = "modular-${key}-task${local.environment.suffix}"
        # Only the module's own queue is read; events leave by the one topic.
        task_role_statements = [
          {
            sid = "OwnQueue"
            actions = [
              "sqs:ChangeMessageVisibility",
              "sqs:DeleteMessage",
              "sqs:GetQueueAttributes",
              "sqs:ReceiveMessage",
              "sqs:SendMessage",
            ]
            resources = ["arn:aws:sqs:${var.region}:${local.account}:modular${local.environment.suffix}-${key}"]
          },
          {
            sid       = "Events"
            actions   = ["sns:Publish"]
            resources = ["arn:aws:sns:${var.region}:${local.account}:modular${local.environment.suffix}-events"]
          },
          {
            sid       = "Files"
            actions   = ["s3:GetObject", "s3:PutObject"]
            resources = ["arn:aws:s3:::modular${local.environment.suffix}-*/*"]
          },
        ]
        environment = {
          Messaging__AwsMessaging__SqsQueueUrl = "https://sqs.${var.region}.amazonaws.com/${local.account}${local.parameter}-${key}"
        }
        secrets           = { ConnectionStrings__Database = "${local.parameter}/${key}/database-connection" }
        target_group      = true
        target_group_name = "modular-${key}${local.environment.suffix}"
        log_group         = "/ecs${local.environment.log_folder}/${key}-api"
      },
      local.environment.defaults,
      service,
      lookup(local.environment.services, key, {}),
      lookup(var.overrides, key, {}),
    ]
  }

  # Mappings are merged entry by entry; null takes an entry away.
  merged = {
    for key, layers in local.layers : key => merge(merge(layers...), {
      environment = { for name, value in merge([for layer in layers : try(layer.environment, {})]...) : name => value if value != null }
      secrets     = { for name, from in merge([for layer in layers : try(layer.secrets, {})]...) : name => from if from != null }
      tags        = { for name, value in merge([for layer in layers : try(layer.tags, {})]...) : name => value if value != null }
      health_check = one([
        for checks in [[for layer in layers : layer.health_check if try(layer.health_check, null) != null]] :
        merge({ interval = 30, timeout = 5, retries = 3, start_period = 0 }, checks...) if length(checks) > 0
      ])
    })
  }

  services = {
    for key, service in local.merged : key => merge(service, {
      name              = coalesce(service.name, service.key)
      family            = coalesce(service.family, service.name, service.key)
      container_name    = coalesce(service.container_name, service.key)
      desired_count     = coalesce(service.desired_count, service.min, 1)
      target_group_name = service.target_group ? coalesce(service.target_group_name, service.name, service.key) : null
      discovery_name    = service.discovery ? coalesce(service.discovery_name, service.key) : null
    })
  }
}

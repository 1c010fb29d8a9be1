locals {
  # What all services have in common; then comes what a service's name is part of,
  # then a service's own. At each step an environment may say something else.
  defaults = {
    name                     = null
    family                   = null
    container_name           = null
    repository               = local.prefix
    image_tag                = var.image_tag
    cpu                      = null
    memory                   = null
    ephemeral_storage_gib    = null
    port                     = null
    command                  = null
    environment              = { DJANGO_SETTINGS_MODULE = "config.settings.production" }
    secrets                  = {}
    health_check             = null
    nofile                   = null
    stop_timeout             = null
    init_process             = false
    user                     = null
    readonly_root_filesystem = false
    log_group                = "/ecs/${local.prefix}"
    log_retention_days       = 30
    execution_role_name      = "${local.prefix}-execution"
    task_role_name           = "${local.prefix}-task"
    task_role_statements = [
      { sid = "Metrics", actions = ["cloudwatch:PutMetricData"], resources = ["*"] },
      {
        sid       = "Files"
        actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        resources = ["arn:aws:s3:::${local.prefix}-*/*"]
      },
    ]
    desired_count                     = null
    desired_count_on_every_apply      = false
    min                               = null
    max                               = null
    scale_on_cpu                      = null
    scale_on_memory                   = null
    scale_on_requests                 = null
    scale_out_cooldown                = 300
    scale_in_cooldown                 = 300
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
    target_group                      = false
    target_group_name                 = null
    deregistration_delay              = 300
    health_path                       = "/"
    health_matcher                    = "200"
    health_interval                   = 30
    health_timeout                    = 5
    healthy_threshold                 = 5
    unhealthy_threshold               = 2
    discovery                         = false
    discovery_name                    = null
    discovery_ttl                     = 60
    discovery_srv                     = false
    tags                              = {}
  }

  described = {
    app = {
      name                       = local.prefix
      container_name             = "backend-booking-app"
      port                       = 8000
      cpu                        = 512
      memory                     = 1024
      desired_count              = 2
      min                        = 1
      max                        = 5
      scale_on_cpu               = 70
      scale_on_memory            = 80
      scale_out_cooldown         = 60
      scale_in_cooldown          = 300
      capacity_provider_strategy = [{ capacity_provider = "FARGATE", base = 0, weight = 1 }]
      target_group               = true
      health_path                = "/health/"
      health_matcher             = "200"
      health_interval            = 30
      health_timeout             = 10
      healthy_threshold          = 2
      unhealthy_threshold        = 3
      discovery                  = true
      environment = {
        # The application reads one name, its documents give the other.
        ALLOWED_HOSTS        = local.allowed_hosts
        DJANGO_ALLOWED_HOSTS = local.allowed_hosts
      }
      secrets = {
        DJANGO_SECRET_KEY = "${local.parameter}/app/django-secret-key"
        DATABASE_PASSWORD = "${local.parameter}/database/password"
      }
    }

    worker = {
      name                       = "${local.prefix}-worker"
      container_name             = "backend-booking-worker"
      command                    = ["python", "manage.py", "rundramatiq"]
      cpu                        = 256
      memory                     = 512
      desired_count              = 1
      min                        = 1
      max                        = 3
      custom_metric              = { namespace = "BackendBooking/Dramatiq", metric_name = "BacklogPerTask", target_value = 100 }
      scale_out_cooldown         = 60
      scale_in_cooldown          = 300
      capacity_provider_strategy = [{ capacity_provider = "FARGATE_SPOT", base = 0, weight = 1 }]
      stop_timeout               = 120
      nofile                     = { soft = 1024, hard = 4096 }
      health_check               = { command = ["CMD", "neargate", "stand-in", "check"] }
      environment = {
        WORKER_CONCURRENCY = "2"
        WORKER_QUEUES      = "default,notifications,bookings"
        DRAMATIQ_BROKER    = "redis"
      }
      secrets = {
        DATABASE_URL         = "${local.parameter}/database/url"
        REDIS_URL            = "${local.parameter}/redis/url"
        DJANGO_SECRET_KEY    = "${local.parameter}/app/django-secret-key"
        ALLOWED_HOSTS        = "${local.parameter}/app/allowed-hosts"
        DJANGO_ALLOWED_HOSTS = "${local.parameter}/app/allowed-hosts"
        TWILIO_ACCOUNT_SID   = "${local.parameter}/third-party/twilio-account-sid"
        TWILIO_AUTH_TOKEN    = "${local.parameter}/third-party/twilio-auth-token"
        TWILIO_PHONE_NUMBER  = "${local.parameter}/third-party/twilio-phone-number"
      }
    }
  }

  # The layers of a service, the later winning.
  layers = {
    for key, service in local.described : key => [
      local.defaults,
      {
        key  = key
        tags = { Service = key }
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

locals {
  # What all services have in common; a service's own keys win, an environment's over both.
  defaults = {
    image_tag                         = var.image_tag
    port                              = null
    command                           = null
    environment                       = { DJANGO_SETTINGS_MODULE = "config.settings.production" }
    secrets                           = {}
    health_check                      = null
    nofile                            = null
    stop_timeout                      = null
    init_process                      = false
    log_group                         = local.log_group
    log_retention_days                = null # the cluster's log group
    execution_role_name               = null
    task_role_name                    = null
    task_role_statements              = []
    desired_count                     = null
    desired_count_on_every_apply      = false
    scale_on_cpu                      = null
    scale_on_memory                   = null
    scale_on_requests                 = null
    scale_out_cooldown                = 60
    scale_in_cooldown                 = 300
    custom_metric                     = null
    minimum_healthy_percent           = 100
    maximum_percent                   = 200
    health_check_grace_period_seconds = null
    enable_execute_command            = false
    subnets                           = ["private-a", "private-b"]
    security_groups                   = ["tasks"]
    rules                             = []
    target_group_name                 = null
    deregistration_delay              = 300
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
      capacity_provider_strategy = [{ capacity_provider = "FARGATE", base = 0, weight = 1 }]
      target_group_name          = local.prefix
      health_path                = "/health/"
      health_matcher             = "200"
      health_interval            = 30
      health_timeout             = 10
      healthy_threshold          = 2
      unhealthy_threshold        = 3
      discovery_name             = "app"
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
      name           = "${local.prefix}-worker"
      container_name = "backend-booking-worker"
      command        = ["python", "manage.py", "rundramatiq"]
      cpu            = 256
      memory         = 512
      desired_count  = 1
      min            = 1
      max            = 3
      # Waiting messages per running worker, published by the application itself: the broker is Redis, so no queue
      # metric of AWS knows them.
      custom_metric              = { namespace = "BackendBooking/Dramatiq", metric_name = "BacklogPerTask", target_value = 100 }
      capacity_provider_strategy = [{ capacity_provider = "FARGATE_SPOT", base = 0, weight = 1 }]
      stop_timeout               = 120
      nofile                     = { soft = 1024, hard = 4096 }
      health_check               = { command = ["CMD", "neargate", "stand-in", "check"], interval = 30, timeout = 5, retries = 3, start_period = 0 }
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

  services = {
    for key, service in local.described : key => merge(
      local.defaults,
      {
        family     = service.name
        repository = local.prefix
      },
      service,
      lookup(local.environment.services, key, {}),
      {
        environment = merge(local.defaults.environment, lookup(service, "environment", {}))
        secrets     = merge(local.defaults.secrets, lookup(service, "secrets", {}))
      },
    )
  }
}

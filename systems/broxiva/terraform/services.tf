locals {
  health_check = { command = ["CMD", "neargate", "stand-in", "check"], interval = 30, timeout = 5, retries = 3, start_period = 45 }

  # What all services have in common; then comes what a kind of service has, then a service's own.
  defaults = {
    image_tag = var.image_tag
    cpu       = 256
    memory    = 512
    port      = null
    command   = null
    environment = {
      NODE_ENV                    = local.environment.node_env
      ENVIRONMENT                 = var.environment
      AWS_REGION                  = var.region
      SERVICE_DISCOVERY_NAMESPACE = local.namespace
      LOG_LEVEL                   = local.environment.log_level
      TZ                          = "UTC"
    }
    secrets                      = { DATABASE_URL = "database-url", REDIS_URL = "redis-url" }
    health_check                 = local.health_check
    nofile                       = null
    stop_timeout                 = null
    init_process                 = true
    log_retention_days           = 14
    execution_role_name          = null
    task_role_name               = null
    task_role_statements         = []
    desired_count                = null
    desired_count_on_every_apply = false
    min                          = 1
    max                          = 1
    scale_on_cpu                 = null
    scale_on_memory              = null
    scale_on_requests            = null
    scale_out_cooldown           = 300
    scale_in_cooldown            = 300
    custom_metric                = null
    enable_execute_command       = true
    subnets                      = ["private-a", "private-b", "private-c"]
    security_groups              = ["tasks"]
    rules                        = []
    target_group_name            = null
    discovery_ttl                = 10
    discovery_srv                = false
    tags                         = {}
  }

  templates = {
    # Takes requests; on demand only, and never below its desired count during a deployment.
    critical = {
      environment                       = {}
      scale_on_cpu                      = 70
      scale_on_memory                   = 80
      scale_on_requests                 = 500
      scale_out_cooldown                = 60
      scale_in_cooldown                 = 300
      capacity_provider_strategy        = [{ capacity_provider = "FARGATE", base = 0, weight = 1 }]
      minimum_healthy_percent           = 100
      maximum_percent                   = 200
      health_check_grace_period_seconds = 120
      deregistration_delay              = 30
      health_path                       = "/health"
      health_matcher                    = "200-299"
      health_interval                   = 30
      health_timeout                    = 10
      healthy_threshold                 = 2
      unhealthy_threshold               = 3
      discovery_srv                     = true
    }

    # Works in the background; four of five tasks on Spot, the rest on demand.
    worker = {
      environment        = { PYTHONUNBUFFERED = "1" }
      scale_on_cpu       = 75
      scale_on_memory    = 80
      scale_out_cooldown = 120
      scale_in_cooldown  = 300
      capacity_provider_strategy = [
        { capacity_provider = "FARGATE", base = 0, weight = 20 },
        { capacity_provider = "FARGATE_SPOT", base = 0, weight = 80 },
      ]
      minimum_healthy_percent           = 50
      maximum_percent                   = 200
      health_check_grace_period_seconds = 60
    }
  }

  described = {
    api = {
      template = "critical"
      port     = 4000
      rules = [
        { priority = 90, host_headers = ["api.${local.domain}"] },
        { priority = 100, path_patterns = ["/api/*", "/graphql"] },
      ]
      health_check = merge(local.health_check, { start_period = 60 })
      nofile       = { soft = 65536, hard = 65536 }
      environment  = { PORT = "4000" }
      secrets = {
        JWT_SECRET             = "jwt-secret"
        JWT_REFRESH_SECRET     = "jwt-refresh-secret"
        PAYMENT_API_KEY        = "payment-api-key"
        PAYMENT_WEBHOOK_SECRET = "payment-webhook-secret"
        S3_BUCKET              = "s3-bucket"
        MAIL_API_KEY           = "mail-api-key"
      }
    }

    web = {
      template = "critical"
      port     = 3000
      rules = [
        { priority = 190, host_headers = ["${local.domain}", "www.${local.domain}"] },
        { priority = 200, path_patterns = ["/*"] },
      ]
      health_path  = "/api/health"
      health_check = merge(local.health_check, { start_period = 60 })
      nofile       = { soft = 65536, hard = 65536 }
      environment  = { PORT = "3000" }
      secrets = {
        DATABASE_URL   = null
        REDIS_URL      = null
        PUBLIC_API_URL = "public-api-url"
        SESSION_SECRET = "session-secret"
        SESSION_URL    = "session-url"
      }
    }

    ai-engine = {
      template     = "critical"
      port         = 8002
      rules        = [{ priority = 110, path_patterns = ["/ai/*"] }]
      health_check = merge(local.health_check, { start_period = 60 })
      environment  = { PORT = "8002", PYTHONUNBUFFERED = "1", MODEL_CACHE_DIR = "/tmp/models" }
      secrets      = { MODEL_API_KEY = "model-api-key", MODEL_API_KEY_2 = "model-api-key-2" }
    }

    recommendation = {
      template    = "critical"
      port        = 8001
      rules       = [{ priority = 120, path_patterns = ["/recommendations/*"] }]
      environment = { PORT = "8001", PYTHONUNBUFFERED = "1", MODEL_CACHE_DIR = "/tmp/models" }
    }

    search = {
      template    = "critical"
      port        = 8003
      rules       = [{ priority = 130, path_patterns = ["/search/*"] }]
      environment = { PORT = "8003", PYTHONUNBUFFERED = "1" }
      secrets     = { SEARCH_INDEX_URL = "search-index-url" }
    }

    notification = {
      template    = "critical"
      port        = 8009
      rules       = [{ priority = 140, path_patterns = ["/notifications/*"] }]
      environment = { PORT = "8009", PYTHONUNBUFFERED = "1" }
      secrets     = { MAIL_API_KEY = "mail-api-key", SMS_API_KEY = "sms-api-key" }
    }

    inventory = {
      template    = "critical"
      port        = 8007
      rules       = [{ priority = 160, path_patterns = ["/inventory/*"] }]
      environment = { PORT = "8007", PYTHONUNBUFFERED = "1" }
    }

    pricing = {
      template    = "critical"
      port        = 8006
      rules       = [{ priority = 170, path_patterns = ["/pricing/*"] }]
      environment = { PORT = "8006", PYTHONUNBUFFERED = "1" }
    }

    analytics = {
      template = "worker"
    }

    chatbot = {
      template = "worker"
      secrets  = { MODEL_API_KEY = "model-api-key", MODEL_API_KEY_2 = "model-api-key-2" }
    }

    fraud-detection = {
      template = "worker"
      secrets  = { MODEL_BUCKET = "model-bucket" }
    }

    media = {
      template = "worker"
      secrets  = { DATABASE_URL = null, S3_BUCKET = "s3-bucket", CDN_URL = "cdn-url" }
    }

    personalization = {
      template = "worker"
    }

    supplier-integration = {
      template = "worker"
    }

    ai-agents = {
      template     = "worker"
      health_check = merge(local.health_check, { start_period = 60 })
      secrets      = { MODEL_API_KEY = "model-api-key", MODEL_API_KEY_2 = "model-api-key-2" }
    }
  }

  services = {
    for key, service in local.described : key => merge(
      local.defaults,
      {
        name              = "${local.prefix}-${key}"
        family            = "${local.prefix}-${key}"
        container_name    = key
        repository        = "broxiva/${key}"
        log_group         = "/aws/ecs/${local.prefix}/${key}"
        discovery_name    = key
        target_group_name = service.template == "critical" ? "${local.prefix}-${key}" : null
      },
      local.environment.defaults,
      local.templates[service.template],
      local.environment.templates[service.template],
      service,
      lookup(local.environment.services, key, {}),
      {
        environment = merge(
          local.defaults.environment,
          { SERVICE_NAME = key },
          local.templates[service.template].environment,
          service.template == "worker" ? { WORKER_TYPE = key } : {},
          lookup(service, "environment", {}),
        )
        # null takes away what the others have.
        secrets = { for name, from in merge(local.defaults.secrets, lookup(service, "secrets", {})) : name => from if from != null }
      },
    )
  }
}

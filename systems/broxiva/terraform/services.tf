locals {
  # What all services have in common; then comes what a service's name is part of, what a kind
  # of service has, a service's own. At each step an environment may say something else.
  defaults = {
    name                  = null
    family                = null
    container_name        = null
    repository            = null
    image_tag             = "latest"
    cpu                   = 256
    memory                = 512
    ephemeral_storage_gib = null
    port                  = null
    command               = null
    environment = {
      NODE_ENV                    = local.environment.node_env
      ENVIRONMENT                 = var.environment
      AWS_REGION                  = var.region
      SERVICE_DISCOVERY_NAMESPACE = local.namespace
      LOG_LEVEL                   = local.environment.log_level
      TZ                          = "UTC"
    }
    secrets = { DATABASE_URL = "${local.prefix}/database-url", REDIS_URL = "${local.prefix}/redis-url" }
    health_check = {
      command      = ["CMD", "neargate", "stand-in", "check"]
      interval     = 30
      timeout      = 5
      retries      = 3
      start_period = 45
    }
    nofile                   = null
    stop_timeout             = null
    init_process             = true
    user                     = null
    readonly_root_filesystem = false
    log_group                = null
    log_retention_days       = 14
    execution_role_name      = "${local.prefix}-execution"
    task_role_name           = "${local.prefix}-task"
    task_role_statements = [
      {
        sid       = "Buckets"
        actions   = ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]
        resources = ["arn:aws:s3:::${local.prefix}-*", "arn:aws:s3:::${local.prefix}-*/*"]
      },
      {
        sid = "Queues"
        actions = [
          "sqs:ChangeMessageVisibility",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:ReceiveMessage",
          "sqs:SendMessage",
        ]
        resources = ["arn:aws:sqs:${var.region}:${local.account}:${local.prefix}-*"]
      },
      {
        sid       = "Topics"
        actions   = ["sns:Publish"]
        resources = ["arn:aws:sns:${var.region}:${local.account}:${local.prefix}-*"]
      },
      {
        sid       = "Mail"
        actions   = ["ses:SendEmail", "ses:SendRawEmail"]
        resources = ["arn:aws:ses:${var.region}:${local.account}:identity/${local.environment.domain}"]
      },
      { sid = "Traces", actions = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources = ["*"] },
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
    circuit_breaker                   = false
    circuit_breaker_rollback          = false
    availability_zone_rebalancing     = true
    health_check_grace_period_seconds = null
    enable_execute_command            = true
    subnets                           = ["private-a", "private-b", "private-c"]
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
    discovery                         = true
    discovery_name                    = null
    discovery_ttl                     = 10
    discovery_srv                     = false
    tags                              = {}
  }

  templates = {
    # Takes requests; on demand only, and never below its desired count during a deployment.
    critical = {
      min                               = 1
      max                               = 1
      scale_on_cpu                      = 70
      scale_on_memory                   = 80
      scale_on_requests                 = 500
      scale_out_cooldown                = 60
      scale_in_cooldown                 = 300
      capacity_provider_strategy        = [{ capacity_provider = "FARGATE", base = 0, weight = 1 }]
      minimum_healthy_percent           = 100
      maximum_percent                   = 200
      circuit_breaker                   = true
      circuit_breaker_rollback          = true
      health_check_grace_period_seconds = 120
      target_group                      = true
      deregistration_delay              = 30
      health_path                       = "/health"
      health_matcher                    = "200-299"
      health_interval                   = 30
      health_timeout                    = 10
      healthy_threshold                 = 2
      unhealthy_threshold               = 3
      discovery                         = true
      discovery_srv                     = true
    }

    # Works in the background; four of five tasks on Spot, the rest on demand.
    worker = {
      min                = 1
      max                = 1
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
      circuit_breaker                   = true
      circuit_breaker_rollback          = true
      health_check_grace_period_seconds = 60
      environment                       = { PYTHONUNBUFFERED = "1" }
    }
  }

  described = {
    api = {
      template = "critical"
      port     = 4000
      # The host of the API goes to it whatever the path; priority 150 is left free on purpose.
      rules = [
        { priority = 90, host_headers = ["api.${local.environment.domain}"] },
        { priority = 100, path_patterns = ["/api/*", "/graphql"] },
      ]
      health_check = { start_period = 60 }
      nofile       = { soft = 65536, hard = 65536 }
      environment  = { PORT = "4000" }
      secrets = {
        JWT_SECRET             = "${local.prefix}/jwt-secret"
        JWT_REFRESH_SECRET     = "${local.prefix}/jwt-refresh-secret"
        PAYMENT_API_KEY        = "${local.prefix}/payment-api-key"
        PAYMENT_WEBHOOK_SECRET = "${local.prefix}/payment-webhook-secret"
        S3_BUCKET              = "${local.prefix}/s3-bucket"
        MAIL_API_KEY           = "${local.prefix}/mail-api-key"
      }
    }

    web = {
      template = "critical"
      port     = 3000
      rules = [
        { priority = 190, host_headers = [local.environment.domain, "www.${local.environment.domain}"] },
        { priority = 200, path_patterns = ["/*"] },
      ]
      target_group = true
      health_path  = "/api/health"
      health_check = { start_period = 60 }
      nofile       = { soft = 65536, hard = 65536 }
      environment  = { PORT = "3000" }
      secrets = {
        DATABASE_URL   = null
        REDIS_URL      = null
        PUBLIC_API_URL = "${local.prefix}/public-api-url"
        SESSION_SECRET = "${local.prefix}/session-secret"
        SESSION_URL    = "${local.prefix}/session-url"
      }
    }

    ai-engine = {
      template     = "critical"
      port         = 8002
      rules        = [{ priority = 110, path_patterns = ["/ai/*"] }]
      health_check = { start_period = 60 }
      environment  = { PORT = "8002", PYTHONUNBUFFERED = "1", MODEL_CACHE_DIR = "/tmp/models" }
      secrets      = { MODEL_API_KEY = "${local.prefix}/model-api-key", MODEL_API_KEY_2 = "${local.prefix}/model-api-key-2" }
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
      secrets     = { SEARCH_INDEX_URL = "${local.prefix}/search-index-url" }
    }

    notification = {
      template    = "critical"
      port        = 8009
      rules       = [{ priority = 140, path_patterns = ["/notifications/*"] }]
      environment = { PORT = "8009", PYTHONUNBUFFERED = "1" }
      secrets     = { MAIL_API_KEY = "${local.prefix}/mail-api-key", SMS_API_KEY = "${local.prefix}/sms-api-key" }
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
      secrets  = { MODEL_API_KEY = "${local.prefix}/model-api-key", MODEL_API_KEY_2 = "${local.prefix}/model-api-key-2" }
    }

    fraud-detection = {
      template = "worker"
      secrets  = { MODEL_BUCKET = "${local.prefix}/model-bucket" }
    }

    media = {
      template = "worker"
      secrets  = { DATABASE_URL = null, S3_BUCKET = "${local.prefix}/s3-bucket", CDN_URL = "${local.prefix}/cdn-url" }
    }

    personalization = {
      template = "worker"
    }

    supplier-integration = {
      template = "worker"
    }

    ai-agents = {
      template     = "worker"
      health_check = { start_period = 60 }
      secrets      = { MODEL_API_KEY = "${local.prefix}/model-api-key", MODEL_API_KEY_2 = "${local.prefix}/model-api-key-2" }
    }
  }

  # The layers of a service, the later winning.
  layers = {
    for key, service in local.described : key => [
      local.defaults,
      {
        key            = key
        tags           = { Service = key }
        name           = "${local.prefix}-${key}"
        container_name = key
        repository     = "broxiva/${key}"
        image_tag      = var.image_tag
        environment    = { SERVICE_NAME = key }
        log_group      = "/aws/ecs/${local.prefix}/${key}"
      },
      local.environment.defaults,
      local.templates[service.template],
      {
        critical = {}
        worker = {
          environment = { WORKER_TYPE = key }
        }
      }[service.template],
      local.environment.templates[service.template],
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

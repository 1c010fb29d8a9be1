locals {
  # What all services have in common; then comes what a service's name is part of,
  # then a service's own. At each step an environment may say something else.
  defaults = {
    name                         = null
    family                       = null
    container_name               = null
    repository                   = null
    image_tag                    = "latest"
    cpu                          = null
    memory                       = null
    ephemeral_storage_gib        = null
    port                         = null
    command                      = null
    environment                  = { ENVIRONMENT = var.environment }
    secrets                      = {}
    health_check                 = { command = ["CMD", "neargate", "stand-in", "check"], start_period = 60 }
    nofile                       = null
    stop_timeout                 = null
    init_process                 = false
    user                         = null
    readonly_root_filesystem     = false
    log_group                    = null
    log_retention_days           = var.log_retention_days
    execution_role_name          = null
    task_role_name               = null
    task_role_statements         = []
    desired_count                = var.services_desired_count
    desired_count_on_every_apply = true
    min                          = var.min_capacity
    max                          = var.max_capacity
    scale_on_cpu                 = 70
    scale_on_memory              = null
    scale_on_requests            = null
    scale_out_cooldown           = 60
    scale_in_cooldown            = 300
    custom_metric                = null
    # Everything on Spot; on demand is at hand for whoever shifts the weights.
    capacity_provider_strategy = [
      { capacity_provider = "FARGATE_SPOT", base = 0, weight = 100 },
      { capacity_provider = "FARGATE", base = 0, weight = 0 },
    ]
    minimum_healthy_percent           = 100
    maximum_percent                   = 200
    circuit_breaker                   = true
    circuit_breaker_rollback          = true
    availability_zone_rebalancing     = true
    health_check_grace_period_seconds = null
    enable_execute_command            = false
    subnets                           = ["app-a", "app-b"]
    security_groups                   = ["ecs"]
    rules                             = []
    target_group                      = true
    target_group_name                 = null
    deregistration_delay              = 300
    health_path                       = "/health"
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

  described = {
    gateway = {
      port   = 8000
      cpu    = 256
      memory = 512
      environment = {
        ORDER_SERVICE_URL        = "http://order.${local.domain}:8001"
        CUSTOMER_SERVICE_URL     = "http://customer.${local.domain}:8002"
        INVENTORY_SERVICE_URL    = "http://inventory.${local.domain}:8003"
        RETURNS_SERVICE_URL      = "http://returns.${local.domain}:8004"
        CHATBOT_SERVICE_URL      = "http://chatbot.${local.domain}:8005"
        NOTIFICATION_SERVICE_URL = "http://notification.${local.domain}:8006"
        ANALYTICS_SERVICE_URL    = "http://analytics.${local.domain}:8007"
        SALESFORCE_SERVICE_URL   = "http://salesforce.${local.domain}:8008"
      }
    }

    order = {
      port    = 8001
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 110, path_patterns = ["/api/orders/*"] }]
      secrets = { DATABASE_URL = "${local.prefix}/database:DATABASE_URL" }
    }

    customer = {
      port    = 8002
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 120, path_patterns = ["/api/tickets/*"] }]
      secrets = { DATABASE_URL = "${local.prefix}/database:DATABASE_URL" }
    }

    inventory = {
      port    = 8003
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 130, path_patterns = ["/api/inventory/*"] }]
      secrets = { DATABASE_URL = "${local.prefix}/database:DATABASE_URL" }
    }

    returns = {
      port    = 8004
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 140, path_patterns = ["/api/returns/*"] }]
      secrets = { DATABASE_URL = "${local.prefix}/database:DATABASE_URL" }
    }

    chatbot = {
      port   = 8005
      cpu    = 1024
      memory = 2048
      rules  = [{ priority = 150, path_patterns = ["/api/chatbot/*"] }]
      environment = {
        ORDER_SERVICE_URL     = "http://order.${local.domain}:8001"
        INVENTORY_SERVICE_URL = "http://inventory.${local.domain}:8003"
      }
      secrets = { OPENAI_API_KEY = "${local.prefix}/openai:OPENAI_API_KEY" }
    }

    notification = {
      port   = 8006
      cpu    = 256
      memory = 512
      rules  = [{ priority = 160, path_patterns = ["/api/notifications/*"] }]
      secrets = {
        MAIL_API_KEY = "${local.prefix}/notification:MAIL_API_KEY"
        SMS_API_KEY  = "${local.prefix}/notification:SMS_API_KEY"
      }
    }

    analytics = {
      port    = 8007
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 170, path_patterns = ["/api/analytics/*"] }]
      secrets = { DATABASE_URL = "${local.prefix}/database:DATABASE_URL" }
    }

    salesforce = {
      port   = 8008
      cpu    = 256
      memory = 512
      rules  = [{ priority = 180, path_patterns = ["/api/salesforce/*"] }]
      secrets = {
        SALESFORCE_USERNAME       = "${local.prefix}/salesforce:SALESFORCE_USERNAME"
        SALESFORCE_PASSWORD       = "${local.prefix}/salesforce:SALESFORCE_PASSWORD"
        SALESFORCE_SECURITY_TOKEN = "${local.prefix}/salesforce:SALESFORCE_SECURITY_TOKEN"
      }
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
        family              = "${local.prefix}-${key}"
        repository          = "customer-portal/${key}"
        image_tag           = var.image_tag
        execution_role_name = "${local.prefix}-${key}-execution"
        task_role_name      = "${local.prefix}-${key}-task"
        target_group        = true
        target_group_name   = "portal-${var.environment}-${key}"
        log_group           = "/ecs/${local.prefix}/${key}"
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

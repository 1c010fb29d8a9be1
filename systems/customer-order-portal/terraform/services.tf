locals {
  # What all services have in common; a service's own keys win, an environment's over both.
  defaults = {
    container_name               = null
    image_tag                    = var.image_tag
    port                         = null
    command                      = null
    environment                  = { ENVIRONMENT = var.environment }
    secrets                      = {}
    health_check                 = { command = ["CMD", "neargate", "stand-in", "check"], interval = 30, timeout = 5, retries = 3, start_period = 60 }
    nofile                       = null
    stop_timeout                 = null
    init_process                 = false
    log_retention_days           = var.log_retention_days
    task_role_statements         = []
    desired_count                = var.services_desired_count
    desired_count_on_every_apply = true
    min                          = var.services_desired_count == 0 ? 0 : var.min_capacity
    max                          = var.services_desired_count == 0 ? 0 : max(var.max_capacity, var.services_desired_count)
    scale_on_cpu                 = 70
    scale_on_memory              = null
    scale_on_requests            = null
    scale_out_cooldown           = 60
    scale_in_cooldown            = 300
    custom_metric                = null
    capacity_provider_strategy = [
      { capacity_provider = "FARGATE_SPOT", base = 0, weight = 100 },
      { capacity_provider = "FARGATE", base = 0, weight = 0 },
    ]
    minimum_healthy_percent           = 100
    maximum_percent                   = 200
    health_check_grace_period_seconds = null
    enable_execute_command            = false
    subnets                           = ["app-a", "app-b"]
    security_groups                   = ["ecs"]
    rules                             = []
    deregistration_delay              = 300
    health_path                       = "/health"
    health_matcher                    = "200"
    health_interval                   = 30
    health_timeout                    = 5
    healthy_threshold                 = 5
    unhealthy_threshold               = 2
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
        ORDER_SERVICE_URL        = "http://order.${local.namespace}:8001"
        CUSTOMER_SERVICE_URL     = "http://customer.${local.namespace}:8002"
        INVENTORY_SERVICE_URL    = "http://inventory.${local.namespace}:8003"
        RETURNS_SERVICE_URL      = "http://returns.${local.namespace}:8004"
        CHATBOT_SERVICE_URL      = "http://chatbot.${local.namespace}:8005"
        NOTIFICATION_SERVICE_URL = "http://notification.${local.namespace}:8006"
        ANALYTICS_SERVICE_URL    = "http://analytics.${local.namespace}:8007"
        SALESFORCE_SERVICE_URL   = "http://salesforce.${local.namespace}:8008"
      }
    }

    order = {
      port    = 8001
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 110, path_patterns = ["/api/orders/*"] }]
      secrets = { DATABASE_URL = "database:DATABASE_URL" }
    }

    customer = {
      port    = 8002
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 120, path_patterns = ["/api/tickets/*"] }]
      secrets = { DATABASE_URL = "database:DATABASE_URL" }
    }

    inventory = {
      port    = 8003
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 130, path_patterns = ["/api/inventory/*"] }]
      secrets = { DATABASE_URL = "database:DATABASE_URL" }
    }

    returns = {
      port    = 8004
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 140, path_patterns = ["/api/returns/*"] }]
      secrets = { DATABASE_URL = "database:DATABASE_URL" }
    }

    chatbot = {
      port   = 8005
      cpu    = 1024
      memory = 2048
      rules  = [{ priority = 150, path_patterns = ["/api/chatbot/*"] }]
      environment = {
        ORDER_SERVICE_URL     = "http://order.${local.namespace}:8001"
        INVENTORY_SERVICE_URL = "http://inventory.${local.namespace}:8003"
      }
      secrets = { OPENAI_API_KEY = "openai:OPENAI_API_KEY" }
    }

    notification = {
      port   = 8006
      cpu    = 256
      memory = 512
      rules  = [{ priority = 160, path_patterns = ["/api/notifications/*"] }]
      secrets = {
        MAIL_API_KEY = "notification:MAIL_API_KEY"
        SMS_API_KEY  = "notification:SMS_API_KEY"
      }
    }

    analytics = {
      port    = 8007
      cpu     = 512
      memory  = 1024
      rules   = [{ priority = 170, path_patterns = ["/api/analytics/*"] }]
      secrets = { DATABASE_URL = "database:DATABASE_URL" }
    }

    salesforce = {
      port   = 8008
      cpu    = 256
      memory = 512
      rules  = [{ priority = 180, path_patterns = ["/api/salesforce/*"] }]
      secrets = {
        SALESFORCE_USERNAME       = "salesforce:SALESFORCE_USERNAME"
        SALESFORCE_PASSWORD       = "salesforce:SALESFORCE_PASSWORD"
        SALESFORCE_SECURITY_TOKEN = "salesforce:SALESFORCE_SECURITY_TOKEN"
      }
    }
  }

  services = {
    for key, service in local.described : key => merge(
      local.defaults,
      {
        name                = "${key}-service"
        family              = "${local.prefix}-${key}"
        container_name      = key
        repository          = "customer-portal/${key}"
        log_group           = "/ecs/${local.prefix}/${key}"
        execution_role_name = "${local.prefix}-${key}-execution"
        task_role_name      = "${local.prefix}-${key}-task"
        target_group_name   = "portal-${var.environment}-${key}"
        discovery_name      = key
      },
      service,
      lookup(local.environment.services, key, {}),
      {
        environment = merge(local.defaults.environment, lookup(service, "environment", {}), lookup(var.extra_environment, key, {}))
        secrets     = merge(local.defaults.secrets, lookup(service, "secrets", {}))
      },
    )
  }
}

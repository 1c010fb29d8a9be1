locals {
  # What all services have in common; an environment's values win.
  defaults = {
    cpu                               = 256
    memory                            = 512
    port                              = 3000
    command                           = null
    health_check                      = { command = ["CMD", "neargate", "stand-in", "check"], interval = 30, timeout = 5, retries = 3, start_period = 60 }
    nofile                            = null
    stop_timeout                      = null
    init_process                      = false
    log_retention_days                = 30
    execution_role_name               = null
    task_role_statements              = []
    desired_count                     = null
    desired_count_on_every_apply      = false
    min                               = 1
    max                               = 5
    scale_on_cpu                      = null
    scale_on_memory                   = null
    scale_on_requests                 = null
    scale_out_cooldown                = 300
    scale_in_cooldown                 = 300
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
    discovery_ttl                     = 10
    discovery_srv                     = false
  }

  # `rule` and `secrets` are the same in every environment, below its path and in its secret. The load balancer does
  # not rewrite paths, so each service is told where it lives (BASE_PATH).
  described = {
    auth-service = {
      container_name = "auth"
      repository     = "auth"
      rule           = { priority = 110, path = "/auth" }
      environment    = {}
      secrets        = ["MONGODB_URI", "JWT_SECRET"]
    }

    gmail-service = {
      container_name = "gmail"
      repository     = "gmail"
      rule           = { priority = 120, path = "/gmail" }
      environment    = {}
      secrets        = ["OAUTH_TOKENS"]
    }

    calendar-service = {
      container_name = "calendar"
      repository     = "calendar"
      rule           = { priority = 130, path = "/calendar" }
      environment    = {}
      secrets        = ["API_CREDENTIALS"]
    }

    ai-router = {
      container_name = "ai-router"
      repository     = "ai-router"
      rule           = { priority = 140, path = "/ai" }
      environment    = { MODEL_ENDPOINTS = "https://models.example.com/v1" }
      secrets        = ["MODEL_KEYS"]
    }
  }

  # Each service in each environment, by the name of its ECS service.
  services = merge([
    for name in var.environments : {
      for key, service in local.described : "${local.environments[name].name_prefix}${key}" => merge(
        local.defaults,
        {
          name              = "${local.environments[name].name_prefix}${key}"
          family            = "${local.environments[name].name_prefix}${key}"
          image_tag         = lookup(var.image_tags, name, local.environments[name].image_tag)
          environment_name  = name
          log_group         = "/ecs/${key}/${name}"
          task_role_name    = "${name}-${key}-task"
          target_group_name = "${local.environments[name].name_prefix}${key}"
          discovery_name    = key
          rules = [{
            priority      = service.rule.priority + local.environments[name].rule_priority_offset
            path_patterns = ["${local.environments[name].path_prefix}${service.rule.path}/*"]
          }]
          tags = { Environment = name, Service = key }
        },
        local.environments[name].defaults,
        {
          container_name = service.container_name
          repository     = service.repository
          environment = merge(
            {
              NODE_ENV  = local.environments[name].node_env
              ENV       = local.environments[name].node_env
              PORT      = "3000"
              BASE_PATH = "${local.environments[name].path_prefix}${service.rule.path}"
            },
            service.environment,
            local.environments[name].environment,
          )
          secrets = { for secret in service.secrets : secret => "${key}-${local.environments[name].secret}-config:${secret}" }
        },
      )
    }
  ]...)
}

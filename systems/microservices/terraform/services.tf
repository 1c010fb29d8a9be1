locals {
  # What all services have in common; then comes what a service's name is part of,
  # then a service's own. At each step an environment may say something else.
  defaults = {
    for name, environment in local.selected : name => {
      name                  = null
      family                = null
      container_name        = null
      repository            = null
      image_tag             = "latest"
      cpu                   = 256
      memory                = 512
      ephemeral_storage_gib = null
      port                  = 3000
      command               = null
      environment           = { NODE_ENV = environment.node_env, ENV = environment.node_env, PORT = "3000" }
      secrets               = {}
      health_check = {
        command      = ["CMD", "neargate", "stand-in", "check"]
        interval     = 30
        timeout      = 5
        retries      = 3
        start_period = 60
      }
      nofile                   = null
      stop_timeout             = null
      init_process             = false
      user                     = null
      readonly_root_filesystem = false
      log_group                = null
      log_retention_days       = 30
      # One execution role for all; a task role of its own for every service and environment.
      execution_role_name               = "microservices-execution"
      task_role_name                    = null
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
      discovery                         = true
      discovery_name                    = null
      discovery_ttl                     = 10
      discovery_srv                     = false
      tags                              = { Environment = name }
    }
  }

  described = {
    for name, environment in local.selected : name => {
      auth-service = {
        container_name = "auth"
        repository     = "auth"
        image_tag      = environment.image_tag
        rules = [
          { priority = 110 + environment.rule_priority_offset, path_patterns = ["${environment.path_prefix}/auth/*"] },
        ]
        environment = { BASE_PATH = "${environment.path_prefix}/auth" }
        secrets = {
          MONGODB_URI = "auth-service-${environment.secret_environment}-config:MONGODB_URI"
          JWT_SECRET  = "auth-service-${environment.secret_environment}-config:JWT_SECRET"
        }
      }

      gmail-service = {
        container_name = "gmail"
        repository     = "gmail"
        image_tag      = environment.image_tag
        rules = [
          { priority = 120 + environment.rule_priority_offset, path_patterns = ["${environment.path_prefix}/gmail/*"] },
        ]
        environment = { BASE_PATH = "${environment.path_prefix}/gmail" }
        secrets     = { OAUTH_TOKENS = "gmail-service-${environment.secret_environment}-config:OAUTH_TOKENS" }
      }

      calendar-service = {
        container_name = "calendar"
        repository     = "calendar"
        image_tag      = environment.image_tag
        rules = [
          {
            priority      = 130 + environment.rule_priority_offset
            path_patterns = ["${environment.path_prefix}/calendar/*"]
          },
        ]
        environment = { BASE_PATH = "${environment.path_prefix}/calendar" }
        secrets     = { API_CREDENTIALS = "calendar-service-${environment.secret_environment}-config:API_CREDENTIALS" }
      }

      ai-router = {
        repository = "ai-router"
        image_tag  = environment.image_tag
        rules = [
          { priority = 140 + environment.rule_priority_offset, path_patterns = ["${environment.path_prefix}/ai/*"] },
        ]
        environment = { BASE_PATH = "${environment.path_prefix}/ai", MODEL_ENDPOINTS = "https://models.example.com/v1" }
        secrets     = { MODEL_KEYS = "ai-router-${environment.secret_environment}-config:MODEL_KEYS" }
      }
    }
  }

  # The layers of a service, the later winning; each service in each environment.
  layers = merge([
    for name, environment in local.selected : {
      for key, service in local.described[name] : "${name}-${key}" => [
        local.defaults[name],
        {
          key              = key
          environment_name = name
          name             = "${environment.name_prefix}${key}"
          task_role_name   = "${name}-${key}-task"
          log_group        = "/ecs/${key}/${name}"
          tags             = { Service = key }
        },
        environment.defaults,
        service,
        lookup(environment.services, key, {}),
        lookup(var.overrides, "${name}-${key}", {}),
      ]
    }
  ]...)

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

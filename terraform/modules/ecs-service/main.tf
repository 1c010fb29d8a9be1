locals {
  srv     = var.discovery == null ? false : var.discovery.srv_port != null
  service = concat(aws_ecs_service.this, aws_ecs_service.counted)[0]
}

resource "aws_service_discovery_service" "this" {
  count = var.discovery == null ? 0 : 1

  name = var.discovery.name

  dns_config {
    namespace_id   = var.discovery.namespace_id
    routing_policy = "MULTIVALUE"

    dns_records {
      type = "A"
      ttl  = var.discovery.ttl
    }

    dynamic "dns_records" {
      for_each = local.srv ? ["SRV"] : []

      content {
        type = dns_records.value
        ttl  = var.discovery.ttl
      }
    }
  }

  # ECS reports the health of the tasks.
  health_check_custom_config {
    failure_threshold = 1
  }

  tags = var.tags
}

resource "aws_ecs_service" "this" {
  count = var.desired_count_on_every_apply ? 0 : 1

  name            = var.name
  cluster         = var.cluster
  task_definition = var.task_definition_arn
  desired_count   = var.desired_count

  deployment_minimum_healthy_percent = var.minimum_healthy_percent
  deployment_maximum_percent         = var.maximum_percent
  availability_zone_rebalancing      = var.availability_zone_rebalancing && var.maximum_percent > 100 ? "ENABLED" : "DISABLED"
  health_check_grace_period_seconds  = var.health_check_grace_period_seconds
  enable_execute_command             = var.enable_execute_command
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = var.wait_for_steady_state

  deployment_circuit_breaker {
    enable   = var.circuit_breaker
    rollback = var.circuit_breaker && var.circuit_breaker_rollback
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity_provider_strategy

    content {
      capacity_provider = capacity_provider_strategy.value.capacity_provider
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.load_balancers

    content {
      target_group_arn = load_balancer.value.target_group_arn
      container_name   = load_balancer.value.container_name
      container_port   = load_balancer.value.container_port
    }
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this

    content {
      registry_arn   = service_registries.value.arn
      container_name = local.srv ? var.discovery.container_name : null
      container_port = local.srv ? var.discovery.srv_port : null
    }
  }

  tags = var.tags

  lifecycle {
    ignore_changes = [desired_count]
  }
}

# The same without `ignore_changes`, which cannot depend on a variable.
resource "aws_ecs_service" "counted" {
  count = var.desired_count_on_every_apply ? 1 : 0

  name            = var.name
  cluster         = var.cluster
  task_definition = var.task_definition_arn
  desired_count   = var.desired_count

  deployment_minimum_healthy_percent = var.minimum_healthy_percent
  deployment_maximum_percent         = var.maximum_percent
  availability_zone_rebalancing      = var.availability_zone_rebalancing && var.maximum_percent > 100 ? "ENABLED" : "DISABLED"
  health_check_grace_period_seconds  = var.health_check_grace_period_seconds
  enable_execute_command             = var.enable_execute_command
  enable_ecs_managed_tags            = true
  propagate_tags                     = "SERVICE"
  wait_for_steady_state              = var.wait_for_steady_state

  deployment_circuit_breaker {
    enable   = var.circuit_breaker
    rollback = var.circuit_breaker && var.circuit_breaker_rollback
  }

  dynamic "capacity_provider_strategy" {
    for_each = var.capacity_provider_strategy

    content {
      capacity_provider = capacity_provider_strategy.value.capacity_provider
      base              = capacity_provider_strategy.value.base
      weight            = capacity_provider_strategy.value.weight
    }
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = var.security_group_ids
    assign_public_ip = false
  }

  dynamic "load_balancer" {
    for_each = var.load_balancers

    content {
      target_group_arn = load_balancer.value.target_group_arn
      container_name   = load_balancer.value.container_name
      container_port   = load_balancer.value.container_port
    }
  }

  dynamic "service_registries" {
    for_each = aws_service_discovery_service.this

    content {
      registry_arn   = service_registries.value.arn
      container_name = local.srv ? var.discovery.container_name : null
      container_port = local.srv ? var.discovery.srv_port : null
    }
  }

  tags = var.tags
}

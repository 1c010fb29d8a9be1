locals {
  # 0 tasks by each apply: scaling must not bring them back.
  stopped = var.desired_count_on_every_apply && var.desired_count == 0

  tracked = var.scaling == null ? {} : {
    for name, metric in {
      cpu      = { type = "ECSServiceAverageCPUUtilization", target = var.scaling.cpu, label = null }
      memory   = { type = "ECSServiceAverageMemoryUtilization", target = var.scaling.memory, label = null }
      requests = { type = "ALBRequestCountPerTarget", target = var.scaling.requests_per_target, label = var.request_count_label }
    } : name => metric if metric.target != null
  }
}

resource "aws_appautoscaling_target" "this" {
  count = var.scaling == null ? 0 : 1

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster}/${local.service.name}"
  min_capacity       = local.stopped ? 0 : var.scaling.min
  max_capacity       = local.stopped ? 0 : var.desired_count_on_every_apply ? max(var.scaling.max, var.desired_count) : var.scaling.max

  tags = var.tags
}

resource "aws_appautoscaling_policy" "tracking" {
  for_each = local.tracked

  name               = "${var.name}-${each.key}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = each.value.target
    scale_out_cooldown = var.scaling.scale_out_cooldown
    scale_in_cooldown  = var.scaling.scale_in_cooldown

    predefined_metric_specification {
      predefined_metric_type = each.value.type
      resource_label         = each.value.label
    }
  }
}

resource "aws_appautoscaling_policy" "custom" {
  count = var.scaling != null && var.custom_metric != null ? 1 : 0

  name               = "${var.name}-${var.custom_metric.metric_name}"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = var.custom_metric.target_value
    scale_out_cooldown = var.scaling.scale_out_cooldown
    scale_in_cooldown  = var.scaling.scale_in_cooldown

    customized_metric_specification {
      namespace   = var.custom_metric.namespace
      metric_name = var.custom_metric.metric_name
      statistic   = "Average"

      dimensions {
        name  = "ClusterName"
        value = var.cluster
      }

      dimensions {
        name  = "ServiceName"
        value = var.name
      }
    }
  }
}

resource "aws_appautoscaling_scheduled_action" "this" {
  for_each = var.scaling == null ? {} : var.schedules

  name               = "${var.name}-${each.key}"
  service_namespace  = aws_appautoscaling_target.this[0].service_namespace
  scalable_dimension = aws_appautoscaling_target.this[0].scalable_dimension
  resource_id        = aws_appautoscaling_target.this[0].resource_id
  schedule           = each.value.schedule
  timezone           = each.value.timezone

  scalable_target_action {
    min_capacity = each.value.min
    max_capacity = each.value.max
  }
}

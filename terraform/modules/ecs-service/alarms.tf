resource "aws_cloudwatch_metric_alarm" "utilization" {
  for_each = var.alarms == null ? {} : {
    cpu    = { metric = "CPUUtilization", threshold = var.alarms.cpu }
    memory = { metric = "MemoryUtilization", threshold = var.alarms.memory }
  }

  alarm_name          = "${var.name}-${each.key}-high"
  alarm_description   = "Average ${each.key} of ${var.name} is above ${each.value.threshold} %"
  namespace           = "AWS/ECS"
  metric_name         = each.value.metric
  dimensions          = { ClusterName = var.cluster, ServiceName = var.name }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  period              = var.alarms.period
  evaluation_periods  = var.alarms.evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions

  tags = var.tags
}

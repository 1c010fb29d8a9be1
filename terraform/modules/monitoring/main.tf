locals {
  actions = concat([aws_sns_topic.alarms.arn], var.alarm_actions)
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.topic_kms_key_id

  tags = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_metric_alarm" "response_time" {
  count = var.alarms_enabled ? 1 : 0

  alarm_name          = "${var.name}-response-time"
  alarm_description   = "Answers take longer than ${var.response_time.threshold} s on average"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  dimensions          = { LoadBalancer = var.load_balancer }
  statistic           = "Average"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.response_time.threshold
  period              = var.response_time.period
  evaluation_periods  = var.response_time.evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  count = var.alarms_enabled ? 1 : 0

  alarm_name          = "${var.name}-5xx"
  alarm_description   = "More than ${var.errors.threshold} answers with 5xx in ${var.errors.period} s"
  namespace           = "AWS/ApplicationELB"
  metric_name         = var.errors.source == "targets" ? "HTTPCode_Target_5XX_Count" : "HTTPCode_ELB_5XX_Count"
  dimensions          = { LoadBalancer = var.load_balancer }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.errors.threshold
  period              = var.errors.period
  evaluation_periods  = var.errors.evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions

  tags = var.tags
}

resource "aws_cloudwatch_metric_alarm" "unhealthy_hosts" {
  for_each = var.alarms_enabled && var.unhealthy_hosts != null ? var.target_groups : {}

  alarm_name          = "${var.name}-${each.key}-unhealthy"
  alarm_description   = "A target of ${each.key} is not healthy"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "UnHealthyHostCount"
  dimensions          = { LoadBalancer = var.load_balancer, TargetGroup = each.value }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = var.unhealthy_hosts.period
  evaluation_periods  = var.unhealthy_hosts.evaluation_periods
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.actions
  ok_actions          = local.actions

  tags = var.tags
}

locals {
  service_widgets = [
    for metric in ["CPUUtilization", "MemoryUtilization"] : {
      title   = metric
      stat    = "Average"
      metrics = [for service in var.services : ["AWS/ECS", metric, "ClusterName", var.cluster, "ServiceName", service]]
    }
  ]
  balancer_widgets = [
    for widget in [
      { title = "Requests", metric = "RequestCount", stat = "Sum" },
      { title = "Response time", metric = "TargetResponseTime", stat = "p95" },
      { title = "5xx answers", metric = "HTTPCode_Target_5XX_Count", stat = "Sum" },
      ] : {
      title   = widget.title
      stat    = widget.stat
      metrics = [["AWS/ApplicationELB", widget.metric, "LoadBalancer", var.load_balancer]]
    }
  ]
  widgets = concat(local.service_widgets, local.balancer_widgets)
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.dashboard_enabled ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = [
      for index, widget in local.widgets : {
        type   = "metric"
        x      = 12 * (index % 2)
        y      = 6 * floor(index / 2)
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = var.region
          view    = "timeSeries"
          stat    = widget.stat
          period  = 60
          metrics = widget.metrics
        }
      }
    ]
  })
}

resource "aws_budgets_budget" "this" {
  count = var.monthly_budget_usd == null ? 0 : 1

  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.monthly_budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  dynamic "cost_filter" {
    for_each = var.budget_tag == null ? [] : [var.budget_tag]

    content {
      name   = "TagKeyValue"
      values = ["user:${cost_filter.value}"]
    }
  }

  dynamic "notification" {
    for_each = length(var.emails) > 0 ? [80, 100] : []

    content {
      comparison_operator        = "GREATER_THAN"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      notification_type          = "ACTUAL"
      subscriber_email_addresses = var.emails
    }
  }
}

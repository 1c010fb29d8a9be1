variable "threshold" { default = 80 }
variable "retention" { default = 7 }
variable "widget" { default = "CPU" }
variable "pattern" { default = "ECS Task State Change" }
variable "limit" { default = "100" }
variable "team" { default = "shop" }

resource "aws_sns_topic" "alerts" {
  name = "alerts"
}

resource "aws_cloudwatch_log_group" "web" {
  name              = "/ecs/web"
  retention_in_days = var.retention
  tags              = { Team = var.team }
}

resource "aws_cloudwatch_metric_alarm" "cpu" {
  alarm_name          = "web-cpu"
  alarm_description   = "The service is short of CPU"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 2
  metric_name         = "CPUUtilization"
  namespace           = "AWS/ECS"
  period              = 60
  statistic           = "Average"
  threshold           = var.threshold
  treat_missing_data  = "notBreaching"
  actions_enabled     = true
  alarm_actions       = [aws_sns_topic.alerts.arn]
  ok_actions          = [aws_sns_topic.alerts.arn]
  dimensions = {
    ClusterName = "main"
    ServiceName = "web"
  }
  tags = { Team = var.team }
}

resource "aws_cloudwatch_metric_alarm" "slow" {
  alarm_name          = "web-slow"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  metric_name         = "TargetResponseTime"
  namespace           = "AWS/ApplicationELB"
  period              = 60
  extended_statistic  = "p95"
  threshold           = 0.5
  dimensions          = { LoadBalancer = "app/web/0123456789abcdef" }
}

resource "aws_cloudwatch_metric_alarm" "ratio" {
  alarm_name          = "web-errors"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  evaluation_periods  = 1
  threshold           = var.threshold
  metric_query {
    id          = "share"
    expression  = "100 * errors / requests"
    label       = "Share of errors"
    return_data = true
  }
  metric_query {
    id = "errors"
    metric {
      metric_name = "HTTPCode_Target_5XX_Count"
      namespace   = "AWS/ApplicationELB"
      period      = 60
      stat        = "Sum"
      dimensions  = { LoadBalancer = "app/web/0123456789abcdef" }
    }
  }
  metric_query {
    id = "requests"
    metric {
      metric_name = "RequestCount"
      namespace   = "AWS/ApplicationELB"
      period      = 60
      stat        = "Sum"
      dimensions  = { LoadBalancer = "app/web/0123456789abcdef" }
    }
  }
}

resource "aws_cloudwatch_composite_alarm" "any" {
  alarm_name    = "web-any"
  alarm_rule    = "ALARM(${aws_cloudwatch_metric_alarm.cpu.alarm_name}) OR ALARM(${aws_cloudwatch_metric_alarm.slow.alarm_name})"
  alarm_actions = [aws_sns_topic.alerts.arn]
  tags          = { Team = var.team }
}

resource "aws_cloudwatch_dashboard" "web" {
  dashboard_name = "web"
  dashboard_body = jsonencode({
    widgets = [{
      type   = "metric"
      x      = 0
      y      = 0
      width  = 12
      height = 6
      properties = {
        title   = var.widget
        region  = "us-east-1"
        period  = 60
        stat    = "Average"
        metrics = [["AWS/ECS", "CPUUtilization", "ClusterName", "main", "ServiceName", "web"]]
      }
    }]
  })
}

resource "aws_cloudwatch_event_rule" "stopped" {
  name        = "task-stopped"
  description = "Tells of tasks that stopped"
  event_pattern = jsonencode({
    source        = ["aws.ecs"]
    "detail-type" = [var.pattern]
  })
  tags = { Team = var.team }
}

resource "aws_cloudwatch_event_rule" "nightly" {
  name                = "nightly"
  schedule_expression = "cron(0 3 * * ? *)"
  state               = "DISABLED"
}

resource "aws_cloudwatch_event_target" "alerts" {
  rule      = aws_cloudwatch_event_rule.stopped.name
  target_id = "alerts"
  arn       = aws_sns_topic.alerts.arn
  input_transformer {
    input_paths    = { task = "$.detail.taskArn" }
    input_template = "\"<task> stopped (${var.pattern})\""
  }
}

resource "aws_budgets_budget" "monthly" {
  name              = "monthly"
  budget_type       = "COST"
  limit_amount      = var.limit
  limit_unit        = "USD"
  time_unit         = "MONTHLY"
  time_period_start = "2026-01-01_00:00"
  cost_filter {
    name   = "Service"
    values = ["Amazon Elastic Container Service"]
  }
  cost_types {
    include_discount           = true
    include_other_subscription = true
    include_recurring          = true
    include_subscription       = true
    include_support            = false
    include_tax                = true
    include_upfront            = true
  }
  notification {
    comparison_operator        = "GREATER_THAN"
    notification_type          = "FORECASTED"
    threshold                  = 80
    threshold_type             = "PERCENTAGE"
    subscriber_email_addresses = ["ops@example.org"]
  }
  notification {
    comparison_operator       = "GREATER_THAN"
    notification_type         = "ACTUAL"
    threshold                 = 100
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.alerts.arn]
  }
  tags = { Team = var.team }
}

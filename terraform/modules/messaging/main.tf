locals {
  subscriptions = {
    for pair in flatten([
      for queue, topics in var.subscriptions : [for topic in topics : { queue = queue, topic = topic }]
    ]) : "${pair.queue}/${pair.topic}" => pair
  }
}

resource "aws_sqs_queue" "dead_letter" {
  for_each = var.queues

  name                      = "${var.name}-${each.key}-dlq"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true

  tags = var.tags
}

resource "aws_sqs_queue" "this" {
  for_each = var.queues

  name                       = "${var.name}-${each.key}"
  visibility_timeout_seconds = each.value.visibility_timeout_seconds
  message_retention_seconds  = each.value.message_retention_seconds
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter[each.key].arn
    maxReceiveCount     = each.value.max_receive_count
  })

  tags = var.tags
}

resource "aws_sns_topic" "this" {
  for_each = toset(var.topics)

  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.kms_master_key_id

  tags = var.tags
}

resource "aws_sqs_queue_policy" "this" {
  for_each = var.subscriptions

  queue_url = aws_sqs_queue.this[each.key].url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Topics"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.this[each.key].arn
      Condition = { ArnEquals = { "aws:SourceArn" = [for topic in each.value : aws_sns_topic.this[topic].arn] } }
    }]
  })
}

resource "aws_sns_topic_subscription" "this" {
  for_each = local.subscriptions

  topic_arn            = aws_sns_topic.this[each.value.topic].arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.this[each.value.queue].arn
  raw_message_delivery = true

  depends_on = [aws_sqs_queue_policy.this]
}

output "queue_urls" {
  description = "URLs of the queues by key."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.url }
}

output "queue_arns" {
  description = "ARNs of the queues by key."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.arn }
}

output "topic_arns" {
  description = "ARNs of the topics by key."
  value       = { for key, topic in aws_sns_topic.this : key => topic.arn }
}

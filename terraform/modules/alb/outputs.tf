output "arn" {
  description = "ARN of the load balancer."
  value       = aws_lb.this.arn
}

output "arn_suffix" {
  description = "Its name in metrics (`LoadBalancer` dimension)."
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "Host name it answers at."
  value       = aws_lb.this.dns_name
}

output "zone_id" {
  description = "Hosted zone of the host name, for alias records."
  value       = aws_lb.this.zone_id
}

output "url" {
  description = "Where it answers."
  value       = "${var.https_enabled ? "https" : "http"}://${aws_lb.this.dns_name}"
}

output "listener_arn" {
  description = "Listener that answers requests: HTTPS if there is a certificate, else HTTP."
  value       = local.serving_listener_arn
}

# A service can only be attached once the group has a load balancer.
output "target_group_arns" {
  description = "ARNs of the target groups by key."
  value       = { for key, group in aws_lb_target_group.this : key => group.arn }

  depends_on = [aws_lb_listener.http, aws_lb_listener.https, aws_lb_listener_rule.this]
}

output "target_group_arn_suffixes" {
  description = "Names of the target groups in metrics, by key."
  value       = { for key, group in aws_lb_target_group.this : key => group.arn_suffix }
}

output "address" {
  description = "Host name: the configuration endpoint in cluster mode, else the primary."
  value       = local.clustered ? aws_elasticache_replication_group.this.configuration_endpoint_address : aws_elasticache_replication_group.this.primary_endpoint_address
}

output "url" {
  description = "Connection string."
  value = format("%s://%s:%d",
    var.transit_encryption ? "rediss" : "redis",
    local.clustered ? aws_elasticache_replication_group.this.configuration_endpoint_address : aws_elasticache_replication_group.this.primary_endpoint_address,
    var.port,
  )
}

output "id" {
  description = "Id of the replication group."
  value       = aws_elasticache_replication_group.this.id
}

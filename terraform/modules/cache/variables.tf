variable "name" {
  description = "Name of the Redis replication group."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9]){0,39}$", var.name))
    error_message = "A name is 1 to 40 lower-case letters, digits and single hyphens, starting with a letter, for example \"shop-prod\"."
  }
}

variable "engine_version" {
  description = "Redis version."
  type        = string
  default     = "7.1"

  validation {
    condition     = can(regex("^7\\.[0-9]+$", var.engine_version))
    error_message = "Expected a Redis version such as \"7.1\"."
  }
}

variable "node_type" {
  description = "Size of a node."
  type        = string
  default     = "cache.t4g.micro"

  validation {
    condition     = can(regex("^cache\\.", var.node_type))
    error_message = "Expected a node type such as \"cache.t4g.micro\"."
  }
}

variable "shards" {
  description = "Shards; more than one, or `cluster_mode`, spreads the keys over them."
  type        = number
  default     = 1

  validation {
    condition     = var.shards >= 1 && var.shards <= 500
    error_message = "Expected 1 to 500 shards."
  }
}

variable "replicas_per_shard" {
  description = "Copies of each shard in other zones."
  type        = number
  default     = 0

  validation {
    condition     = var.replicas_per_shard >= 0 && var.replicas_per_shard <= 5
    error_message = "Expected 0 to 5 replicas."
  }
}

variable "cluster_mode" {
  description = "Cluster mode; clients must speak the cluster protocol."
  type        = bool
  default     = false
}

variable "transit_encryption" {
  description = "TLS between clients and nodes (`rediss://`)."
  type        = bool
  default     = true
}

variable "parameters" {
  description = "Parameters of Redis, name to value."
  type        = map(string)
  default     = {}
}

variable "port" {
  description = "Port of Redis."
  type        = number
  default     = 6379
}

variable "subnet_ids" {
  description = "Isolated subnets."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the nodes."
  type        = list(string)
}

variable "kms_key_arn" {
  description = "Key that encrypts data at rest; null for the one of ElastiCache."
  type        = string
  default     = null
}

variable "snapshot_retention_days" {
  description = "Days snapshots are kept; 0 makes none."
  type        = number
  default     = 0
}

variable "apply_immediately" {
  description = "Makes changes at once instead of in the maintenance window."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

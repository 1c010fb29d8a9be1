variable "identifier" {
  description = "Name of the instance."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9]|-[a-z0-9]){0,62}$", var.identifier))
    error_message = "An instance's name is 1 to 63 lower-case letters, digits and single hyphens, starting with a letter, for example \"shop-prod\"."
  }
}

variable "engine_version" {
  description = "PostgreSQL version, for example `17`."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[2-9](\\.[0-9]+)?$", var.engine_version))
    error_message = "Expected a PostgreSQL version such as \"17\" or \"17.4\"."
  }
}

variable "instance_class" {
  description = "Size of the instance."
  type        = string
  default     = "db.t4g.micro"

  validation {
    condition     = can(regex("^db\\.", var.instance_class))
    error_message = "Expected an instance class such as \"db.t4g.micro\"."
  }
}

variable "allocated_storage" {
  description = "GiB at first."
  type        = number
  default     = 20
}

variable "max_allocated_storage" {
  description = "GiB the storage may grow to; 0 keeps it as it is."
  type        = number
  default     = 0
}

variable "database_name" {
  description = "Database that is created with the instance."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9_]{0,62}$", var.database_name))
    error_message = "A database's name is 1 to 63 letters, digits and underscores, starting with a letter."
  }
}

variable "username" {
  description = "Master user. RDS makes the password and keeps it in Secrets Manager."
  type        = string
  default     = "postgres"
}

variable "port" {
  description = "Port of the database."
  type        = number
  default     = 5432
}

variable "subnet_ids" {
  description = "Isolated subnets in at least two zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A database needs subnets in at least two zones."
  }
}

variable "security_group_ids" {
  description = "Security groups of the instance."
  type        = list(string)
}

variable "multi_az" {
  description = "Keeps a standby in another zone."
  type        = bool
  default     = false
}

variable "storage_encrypted" {
  description = "Encrypts data and backups."
  type        = bool
  default     = true
}

variable "kms_key_arn" {
  description = "Key that encrypts the storage; null for the one of RDS."
  type        = string
  default     = null
}

variable "backup_retention_days" {
  description = "Days automatic backups are kept; 0 makes none."
  type        = number
  default     = 7

  validation {
    condition     = var.backup_retention_days >= 0 && var.backup_retention_days <= 35
    error_message = "RDS keeps backups 0 to 35 days."
  }
}

variable "parameters" {
  description = "Parameters of the database, name to value."
  type        = map(string)
  default     = { "rds.force_ssl" = "1" }
}

variable "deletion_protection" {
  description = "Whether the instance refuses to be deleted."
  type        = bool
  default     = false
}

variable "final_snapshot" {
  description = "Whether a last snapshot is taken when the instance is deleted."
  type        = bool
  default     = false
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

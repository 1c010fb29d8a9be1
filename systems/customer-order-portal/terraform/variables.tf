variable "environment" {
  description = "Which environment this is: one of the keys in environments.tf."
  type        = string
  default     = "production"

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "Expected \"development\", \"staging\" or \"production\"."
  }
}

variable "region" {
  description = "Region; the zones in environments.tf belong to it."
  type        = string
  default     = "us-west-2"
}

variable "image_tag" {
  description = "Tag of the images."
  type        = string
  default     = "latest"
}

variable "image_registry" {
  description = "Registry the images are pulled from; null for the account's own ECR."
  type        = string
  default     = null
}

variable "overrides" {
  description = "What single services have instead of what services.tf says: key of the service to any of its attributes."
  type        = any
  default     = {}
}

variable "enabled_services" {
  description = "Keys of the services that run; null for all, [] for everything but services."
  type        = list(string)
  default     = null
}

variable "protect" {
  description = "Whether load balancer, databases, repositories and secrets refuse to be deleted; null as the environment says."
  type        = bool
  default     = null
}

variable "certificate_arn" {
  description = "Certificate of the load balancer. With it port 443 serves and port 80 redirects there; null serves on port 80."
  type        = string
  default     = null

  validation {
    condition     = var.certificate_arn == null ? true : can(regex("^arn:aws[a-z-]*:(acm|iam):", var.certificate_arn))
    error_message = "Expected the ARN of a certificate of ACM, or null."
  }
}

variable "hosted_zone" {
  description = "Domain of a hosted zone of Route 53 for the host names in environments.tf, with a certificate unless there is one; null for none."
  type        = string
  default     = null
}

variable "create_hosted_zone" {
  description = "Whether the hosted zone is made here; false finds it."
  type        = bool
  default     = false
}

variable "enable_alarms" {
  description = "Whether there are alarms."
  type        = bool
  default     = false
}

variable "alarm_actions" {
  description = "Topics that alarms tell, besides the system's own."
  type        = list(string)
  default     = []
}

variable "alarm_emails" {
  description = "Addresses that are told of alarms; each must confirm."
  type        = list(string)
  default     = []
}

variable "interface_endpoints" {
  description = "AWS services the tasks reach without leaving the network; each costs per hour and zone."
  type        = list(string)
  default     = []
}

variable "flow_logs" {
  description = "Whether the network's traffic is recorded."
  type        = bool
  default     = false
}

variable "keep_revisions" {
  description = "Leaves old task definitions active, so that a service can be set back to them; they then stay after a destroy too."
  type        = bool
  default     = false
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits until every deployment is complete."
  type        = bool
  default     = false
}

variable "create_repositories" {
  description = "Whether the image repositories are made here; false when they are there already, from another environment or by hand."
  type        = bool
  default     = false
}

variable "enable_cdn" {
  description = "Whether there is a bucket with a CDN before it."
  type        = bool
  default     = true
}

variable "services_desired_count" {
  description = "Tasks of every service, set by each apply; 0 stops everything, whatever min_capacity is."
  type        = number
  default     = 1
}

variable "min_capacity" {
  description = "Fewest tasks automatic scaling goes down to."
  type        = number
  default     = 1
}

variable "max_capacity" {
  description = "Most tasks automatic scaling goes up to."
  type        = number
  default     = 10
}

variable "log_retention_days" {
  description = "Days the lines of the services are kept."
  type        = number
  default     = 7
}

variable "database_multi_az" {
  description = "Keeps a standby of the database in the other zone."
  type        = bool
  default     = false
}

variable "database_encrypted" {
  description = "Encrypts the database and its backups."
  type        = bool
  default     = true
}

variable "zone" {
  description = "Domain that the host names end in."
  type        = string
  default     = "example.com"
}

variable "environment" {
  description = "Which environment this is: one of the keys in environments.tf."
  type        = string
  default     = "prod"

  validation {
    condition     = contains(["dev", "itg", "qua", "prod"], var.environment)
    error_message = "Expected \"dev\", \"itg\", \"qua\" or \"prod\"."
  }
}

variable "region" {
  description = "Region; the zones in environments.tf belong to it."
  type        = string
  default     = "us-east-1"
}

variable "image_tag" {
  description = "Tag of the images."
  type        = string
  default     = "latest"
}

variable "overrides" {
  description = "Attributes of single services by key, over everything in services.tf and environments.tf."
  type        = any
  default     = {}
}

variable "image_registry" {
  description = "Registry the images are pulled from; null for the account's own ECR."
  type        = string
  default     = null
}

variable "enabled_services" {
  description = "Keys of the services that run; null for all, [] for everything but services."
  type        = list(string)
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
  default     = true
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits until every deployment is complete."
  type        = bool
  default     = false
}

variable "create_repositories" {
  description = "Whether the image repositories are made here; false when another environment of the account has them already."
  type        = bool
  default     = true
}

variable "protect_production" {
  description = "Whether load balancer and databases of production refuse to be deleted, and databases have a standby."
  type        = bool
  default     = false
}

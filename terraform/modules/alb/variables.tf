variable "name" {
  description = "Name of the load balancer."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?$", var.name)) && !can(regex("^internal-", var.name))
    error_message = "A load balancer's name is 1 to 32 letters, digits and hyphens, without a hyphen at either end and not \"internal-...\"."
  }
}

variable "vpc_id" {
  description = "VPC of the target groups."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets in at least two zones: public ones, unless `internal`."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "A load balancer needs subnets in at least two zones."
  }
}

variable "security_group_ids" {
  description = "Security groups of the load balancer."
  type        = list(string)
}

variable "internal" {
  description = "Whether only the VPC can reach it."
  type        = bool
  default     = false
}

variable "idle_timeout" {
  description = "Seconds without traffic after which a connection is closed."
  type        = number
  default     = 60

  validation {
    condition     = var.idle_timeout >= 1 && var.idle_timeout <= 4000
    error_message = "Expected 1 to 4000 seconds."
  }
}

variable "deletion_protection" {
  description = "Whether the load balancer refuses to be deleted."
  type        = bool
  default     = false
}

variable "access_logs_bucket" {
  description = "Bucket for access logs; null for none."
  type        = string
  default     = null
}

variable "http_port" {
  description = "Port of the HTTP listener."
  type        = number
  default     = 80
}

variable "https_enabled" {
  description = "Adds a listener on 443 and makes HTTP redirect to it. Needs `certificate_arn`."
  type        = bool
  default     = false
}

variable "certificate_arn" {
  description = "Certificate of the HTTPS listener."
  type        = string
  default     = null
}

variable "ssl_policy" {
  description = "TLS versions and ciphers of the HTTPS listener."
  type        = string
  default     = "ELBSecurityPolicy-TLS13-1-2-2021-06"
}

variable "target_groups" {
  description = "Target groups (type `ip`) by key. `matcher` are the status codes of a healthy answer."
  type = map(object({
    name                 = string
    port                 = number
    deregistration_delay = number
    health_check = object({
      path                = string
      matcher             = string
      interval            = number
      timeout             = number
      healthy_threshold   = number
      unhealthy_threshold = number
    })
  }))
  default = {}

  validation {
    condition     = alltrue([for group in values(var.target_groups) : can(regex("^[a-zA-Z0-9]([a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?$", group.name))])
    error_message = "A target group's name is 1 to 32 letters, digits and hyphens, without a hyphen at either end."
  }

  validation {
    condition     = alltrue([for group in values(var.target_groups) : group.health_check.timeout < group.health_check.interval])
    error_message = "A health check's timeout must be below its interval."
  }
}

variable "default_target_group" {
  description = "Key of the target group for requests that no rule matches; null answers `default_response`."
  type        = string
  default     = null
}

variable "default_response" {
  description = "Answer to requests that no rule matches, when there is no `default_target_group`."
  type = object({
    status_code  = number
    content_type = string
    message_body = string
  })
  default = {
    status_code  = 404
    content_type = "application/json"
    message_body = "{\"message\":\"no service at this path\"}"
  }
}

variable "rules" {
  description = "Rules by key. The lowest priority that matches wins; an empty list of patterns is no condition."
  type = map(object({
    priority      = number
    path_patterns = list(string)
    host_headers  = list(string)
    target_group  = string
  }))
  default = {}

  validation {
    condition     = length(distinct([for rule in values(var.rules) : rule.priority])) == length(var.rules)
    error_message = "Two rules have the same priority; every rule needs its own."
  }

  validation {
    condition     = alltrue([for rule in values(var.rules) : length(rule.path_patterns) + length(rule.host_headers) > 0])
    error_message = "A rule needs path_patterns, host_headers or both."
  }

  validation {
    condition     = alltrue([for rule in values(var.rules) : rule.priority >= 1 && rule.priority <= 50000])
    error_message = "A rule's priority is 1 to 50000."
  }
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

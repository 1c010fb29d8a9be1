variable "name" {
  description = "Name of the service."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.name))
    error_message = "A service's name is 1 to 255 letters, digits, hyphens and underscores."
  }
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "task_definition_arn" {
  description = "Revision the service runs."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets the tasks run in: private ones."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the tasks."
  type        = list(string)
}

variable "desired_count" {
  description = "Tasks wanted."
  type        = number
  default     = 1

  validation {
    condition     = var.desired_count >= 0 && var.desired_count <= 5000
    error_message = "Expected 0 to 5000 tasks."
  }
}

variable "desired_count_on_every_apply" {
  description = <<-EOT
    false: `desired_count` counts when the service is created; afterwards scaling and people change it and no plan
    takes that back. true: every apply sets it, which also undoes what scaling did. Changing this replaces the service.
  EOT
  type        = bool
  default     = false
}

variable "capacity_provider_strategy" {
  description = "Where tasks run: shares on `FARGATE` and `FARGATE_SPOT`."
  type        = list(object({ capacity_provider = string, base = number, weight = number }))
  default     = [{ capacity_provider = "FARGATE", base = 0, weight = 1 }]

  validation {
    condition     = alltrue([for item in var.capacity_provider_strategy : contains(["FARGATE", "FARGATE_SPOT"], item.capacity_provider)])
    error_message = "A capacity provider is \"FARGATE\" or \"FARGATE_SPOT\"."
  }

  validation {
    condition     = anytrue([for item in var.capacity_provider_strategy : item.weight > 0])
    error_message = "At least one weight must be above 0, or no task can be placed."
  }
}

variable "minimum_healthy_percent" {
  description = "Fewest healthy tasks during a deployment, in percent of the desired count."
  type        = number
  default     = 100

  validation {
    condition     = var.minimum_healthy_percent >= 0 && var.minimum_healthy_percent <= 100
    error_message = "Expected 0 to 100 percent."
  }
}

variable "maximum_percent" {
  description = "Most tasks during a deployment, in percent of the desired count."
  type        = number
  default     = 200

  validation {
    condition     = var.maximum_percent >= 100 && var.maximum_percent <= 1000
    error_message = "Expected 100 percent or more, usually 200."
  }
}

variable "circuit_breaker" {
  description = "Stops a deployment whose tasks keep failing."
  type        = bool
  default     = true
}

variable "circuit_breaker_rollback" {
  description = "And goes back to the last deployment that was complete."
  type        = bool
  default     = true
}

variable "availability_zone_rebalancing" {
  description = "Moves tasks until the zones are even; needs a `maximum_percent` above 100."
  type        = bool
  default     = true
}

variable "health_check_grace_period_seconds" {
  description = "Seconds after a task's start in which failing health checks are ignored; null for none."
  type        = number
  default     = null
}

variable "enable_execute_command" {
  description = "Lets ECS Exec open a shell in the containers."
  type        = bool
  default     = false
}

variable "wait_for_steady_state" {
  description = "Whether an apply waits until the deployment is complete."
  type        = bool
  default     = false
}

variable "load_balancers" {
  description = "Target groups the tasks are registered in; empty for none."
  type        = list(object({ target_group_arn = string, container_name = string, container_port = number }))
  default     = []
}

variable "discovery" {
  description = "Registration in a Cloud Map namespace; null for none. `srv_port` adds SRV records with that port, null leaves them out."
  type = object({
    namespace_id   = string
    name           = string
    ttl            = number
    container_name = string
    srv_port       = number
  })
  default = null
}

variable "scaling" {
  description = "Limits of automatic scaling; null for none. A null target is not tracked."
  type = object({
    min                 = number
    max                 = number
    cpu                 = number
    memory              = number
    requests_per_target = number
    scale_out_cooldown  = number
    scale_in_cooldown   = number
  })
  default = null

  validation {
    condition     = var.scaling == null ? true : var.scaling.min <= var.scaling.max
    error_message = "The fewest tasks must be at most the most tasks."
  }

  validation {
    condition     = var.scaling == null ? true : coalesce(var.scaling.cpu, 1) <= 100 && coalesce(var.scaling.memory, 1) <= 100
    error_message = "CPU and memory targets are percent, 1 to 100."
  }
}

variable "request_count_label" {
  description = "`load balancer arn suffix/target group arn suffix`, for `requests_per_target`."
  type        = string
  default     = null
}

variable "custom_metric" {
  description = "A metric the application publishes (dimensions ClusterName and ServiceName) that scaling keeps at `target_value`."
  type        = object({ namespace = string, metric_name = string, target_value = number })
  default     = null
}

variable "schedules" {
  description = "Limits that change by the clock: name to cron expression, time zone, fewest and most tasks."
  type        = map(object({ schedule = string, timezone = string, min = number, max = number }))
  default     = {}
}

variable "alarms" {
  description = "Alarms on average CPU and memory utilization in percent; null for none."
  type = object({
    cpu                = number
    memory             = number
    period             = number
    evaluation_periods = number
  })
  default = null
}

variable "alarm_actions" {
  description = "What an alarm tells, for example an SNS topic's ARN, when it goes off and when it is over."
  type        = list(string)
  default     = []
}

variable "tags" {
  description = "Tags of the service and, through it, of its tasks."
  type        = map(string)
  default     = {}
}

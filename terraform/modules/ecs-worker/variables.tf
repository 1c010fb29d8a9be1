variable "name" {
  description = "Name of the service."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.name))
    error_message = "A service's name is 1 to 255 letters, digits, hyphens and underscores."
  }
}

variable "family" {
  description = "Family of the task definition; null for the name of the service."
  type        = string
  default     = null
}

variable "container_name" {
  description = "Name of the container; null for the name of the service."
  type        = string
  default     = null
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "region" {
  description = "Region of the log group."
  type        = string
}

variable "account_id" {
  description = "Account the roles belong to."
  type        = string
}

variable "image" {
  description = "Image with its tag or digest, for example `123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:1.4`."
  type        = string
}

variable "repository_arns" {
  description = "Repositories an own execution role pulls from."
  type        = list(string)
  default     = []
}

variable "cpu" {
  description = "CPU units of a task, 1024 for one vCPU."
  type        = number

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096, 8192, 16384], var.cpu)
    error_message = "Fargate has 256, 512, 1024, 2048, 4096, 8192 and 16384 CPU units."
  }
}

variable "memory" {
  description = "Memory of a task in MiB; must go with `cpu`, for example 512 to 2048 with 256."
  type        = number

  validation {
    condition     = var.memory == 512 || (var.memory >= 1024 && var.memory <= 122880 && var.memory % 1024 == 0)
    error_message = "Fargate has 512 MiB, and whole GiB (multiples of 1024) from 1024 to 122880."
  }
}

variable "ephemeral_storage_gib" {
  description = "Ephemeral storage, 21 to 200 GiB; null for the 20 GiB every task has."
  type        = number
  default     = null

  validation {
    condition     = var.ephemeral_storage_gib == null ? true : var.ephemeral_storage_gib >= 21 && var.ephemeral_storage_gib <= 200
    error_message = "Expected 21 to 200 GiB, or null for 20."
  }
}

variable "cpu_architecture" {
  description = "`X86_64` or `ARM64`."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "Expected \"X86_64\" or \"ARM64\"."
  }
}

variable "command" {
  description = "Replaces the image's command; null keeps it."
  type        = list(string)
  default     = null
}

variable "environment" {
  description = "Variables, name to value."
  type        = map(string)
  default     = {}
}

variable "secrets" {
  description = "Secret variables, name to reference: `secret` or `secret:KEY` for one key of its JSON (names of `secret_arns`), or `/path` of a parameter."
  type        = map(string)
  default     = {}
}

variable "secret_arns" {
  description = "ARNs of Secrets Manager by name, for `secrets`."
  type        = map(string)
  default     = {}
}

variable "parameter_arns" {
  description = "ARNs of Parameter Store by path, for `secrets`."
  type        = map(string)
  default     = {}
}

variable "kms_key_arns" {
  description = "Keys an own execution role decrypts secrets with."
  type        = list(string)
  default     = []
}

variable "health_check" {
  description = "Check that runs inside the container; null for none."
  type = object({
    command      = list(string)
    interval     = number
    timeout      = number
    retries      = number
    start_period = number
  })
  default = null

  validation {
    condition     = var.health_check == null ? true : contains(["CMD", "CMD-SHELL"], var.health_check.command[0])
    error_message = "A health check's command begins with \"CMD\" or \"CMD-SHELL\", for example [\"CMD-SHELL\", \"curl -f http://localhost:8080/health || exit 1\"]."
  }
}

variable "nofile" {
  description = "Limits of open files; null for Fargate's own."
  type        = object({ soft = number, hard = number })
  default     = null

  validation {
    condition     = var.nofile == null ? true : var.nofile.soft <= var.nofile.hard
    error_message = "The soft limit is at most the hard limit."
  }
}

variable "stop_timeout" {
  description = "Seconds from SIGTERM to SIGKILL; null for 30."
  type        = number
  default     = null

  validation {
    condition     = var.stop_timeout == null ? true : var.stop_timeout >= 0 && var.stop_timeout <= 120
    error_message = "Fargate waits 0 to 120 seconds."
  }
}

variable "init_process" {
  description = "Runs an init process that reaps children."
  type        = bool
  default     = false
}

variable "readonly_root_filesystem" {
  description = "Mounts the root file system read-only."
  type        = bool
  default     = false
}

variable "user" {
  description = "User (and group) the process runs as; null for the image's."
  type        = string
  default     = null
}

variable "keep_revisions" {
  description = "Leaves old revisions active, so that a service can be set back to them; they then stay after a destroy too."
  type        = bool
  default     = false
}

variable "log_group" {
  description = "Name of the log group."
  type        = string
}

variable "log_retention_days" {
  description = "Days the lines are kept; null when the log group exists already, for example as one of the cluster."
  type        = number
  default     = null

  validation {
    condition     = var.log_retention_days == null ? true : contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch Logs keeps 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "log_kms_key_arn" {
  description = "Key that encrypts the log group; null for the one of CloudWatch Logs."
  type        = string
  default     = null
}

variable "log_stream_prefix" {
  description = "First part of the log streams' names."
  type        = string
  default     = "ecs"
}

variable "log_options" {
  description = "Further options of the `awslogs` driver, for example `mode` and `max-buffer-size`."
  type        = map(string)
  default     = {}
}

variable "execution_role_name" {
  description = "Name of an own execution role, limited to this service; null to use `execution_role_arn`."
  type        = string
  default     = null
}

variable "execution_role_arn" {
  description = "An execution role that exists, when `execution_role_name` is null."
  type        = string
  default     = null
}

variable "task_role_name" {
  description = "Name of an own task role; null to use `task_role_arn`."
  type        = string
  default     = null
}

variable "task_role_arn" {
  description = "A task role that exists, when `task_role_name` is null."
  type        = string
  default     = null
}

variable "task_role_statements" {
  description = "What the application may do under its own task role."
  type        = list(object({ sid = string, actions = list(string), resources = list(string) }))
  default     = []
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

variable "subnet_ids" {
  description = "Subnets the tasks run in: private ones."
  type        = list(string)
}

variable "security_group_ids" {
  description = "Security groups of the tasks."
  type        = list(string)
}

variable "namespace_id" {
  description = "Cloud Map namespace."
  type        = string
  default     = null
}

variable "discovery_name" {
  description = "Name of the service in the namespace; null registers nothing."
  type        = string
  default     = null
}

variable "discovery_ttl" {
  description = "Seconds an answer of DNS may be kept."
  type        = number
  default     = 60
}

variable "scaling" {
  description = "Limits of automatic scaling; null for none. A null target is not tracked."
  type = object({
    min                = number
    max                = number
    cpu                = number
    memory             = number
    scale_out_cooldown = number
    scale_in_cooldown  = number
  })
  default = null

  validation {
    condition     = var.scaling == null ? true : var.scaling.min <= var.scaling.max
    error_message = "The fewest tasks must be at most the most tasks."
  }
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
  description = "Tags of the task definition."
  type        = map(string)
  default     = {}
}

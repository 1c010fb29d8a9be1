variable "family" {
  description = "Family of the task definition."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,255}$", var.family))
    error_message = "A family is 1 to 255 letters, digits, hyphens and underscores."
  }
}

variable "container_name" {
  description = "Name of the container."
  type        = string
}

variable "image" {
  description = "Image with its tag or digest, for example `123456789012.dkr.ecr.eu-west-1.amazonaws.com/shop/api:1.4`."
  type        = string
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

variable "port" {
  description = "Port the container listens on; null for none."
  type        = number
  default     = null

  validation {
    condition     = var.port == null ? true : var.port >= 1 && var.port <= 65535
    error_message = "Expected a port of 1 to 65535, or null."
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
  description = "Secret variables, name to `valueFrom`: the ARN of a secret (`ARN:KEY::` for one key of its JSON), or the path of a parameter."
  type        = map(string)
  default     = {}
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

variable "log_group" {
  description = "Name of the log group; null for no logs."
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

variable "region" {
  description = "Region of the log group."
  type        = string
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

variable "cpu_architecture" {
  description = "`X86_64` or `ARM64`."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.cpu_architecture)
    error_message = "Expected \"X86_64\" or \"ARM64\"."
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

variable "keep_revisions" {
  description = "Leaves old revisions active, so that a service can be set back to them; they then stay after a destroy too."
  type        = bool
  default     = false
}

variable "execution_role_arn" {
  description = "Role ECS starts the task with."
  type        = string
}

variable "task_role_arn" {
  description = "Role the application acts under; null for none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the task definition."
  type        = map(string)
  default     = {}
}

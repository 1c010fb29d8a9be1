variable "name" {
  description = "Name of the cluster."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9_-]{0,254}$", var.name))
    error_message = "A cluster's name is 1 to 255 letters, digits, hyphens and underscores, for example \"shop-prod\"."
  }
}

variable "container_insights" {
  description = "Container Insights: `enabled`, `enhanced` or `disabled`."
  type        = string
  default     = "enabled"

  validation {
    condition     = contains(["enabled", "enhanced", "disabled"], var.container_insights)
    error_message = "Expected \"enabled\", \"enhanced\" or \"disabled\"."
  }
}

variable "capacity_providers" {
  description = "Capacity that services may use."
  type        = list(string)
  default     = ["FARGATE", "FARGATE_SPOT"]

  validation {
    condition     = alltrue([for provider in var.capacity_providers : contains(["FARGATE", "FARGATE_SPOT"], provider)])
    error_message = "Expected \"FARGATE\", \"FARGATE_SPOT\" or both."
  }
}

variable "default_capacity_provider_strategy" {
  description = "Capacity of services that name none."
  type        = list(object({ capacity_provider = string, base = number, weight = number }))
  default     = [{ capacity_provider = "FARGATE", base = 0, weight = 1 }]
}

variable "log_groups" {
  description = "Log groups that belong to the cluster rather than to one service: name to days of retention."
  type        = map(number)
  default     = {}
}

variable "exec_log_group" {
  description = "Name of a log group for what is typed in ECS Exec sessions; null for none."
  type        = string
  default     = null
}

variable "exec_log_retention_days" {
  description = "Days the ECS Exec log is kept."
  type        = number
  default     = 30
}

variable "kms_key_arn" {
  description = "Key that encrypts the log groups; null for the one of CloudWatch Logs."
  type        = string
  default     = null
}

variable "execution_role" {
  description = "Name of an execution role shared by the cluster's services; null when each has its own."
  type        = string
  default     = null
}

variable "execution_role_access" {
  description = "What the shared execution role may pull, write, read and decrypt: lists of ARNs."
  type = object({
    repository_arns = list(string)
    log_group_arns  = list(string)
    secret_arns     = list(string)
    parameter_arns  = list(string)
    kms_key_arns    = list(string)
  })
  default = {
    repository_arns = []
    log_group_arns  = []
    secret_arns     = []
    parameter_arns  = []
    kms_key_arns    = []
  }
}

variable "task_role" {
  description = "Name of a task role shared by the cluster's services; null when each has its own."
  type        = string
  default     = null
}

variable "task_role_statements" {
  description = "What the applications may do under the shared task role."
  type        = list(object({ sid = string, actions = list(string), resources = list(string) }))
  default     = []
}

variable "task_role_exec_enabled" {
  description = "Whether the shared task role lets ECS Exec open a shell."
  type        = bool
  default     = false
}

variable "account_id" {
  description = "Account whose ECS may assume the shared roles."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

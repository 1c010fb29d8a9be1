variable "name" {
  description = "Name of the role."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9+=,.@_-]{1,64}$", var.name))
    error_message = "A role's name is 1 to 64 letters, digits and + = , . @ _ -."
  }
}

variable "kind" {
  description = "`execution`: ECS itself starts tasks with it. `task`: the application acts under it."
  type        = string

  validation {
    condition     = contains(["execution", "task"], var.kind)
    error_message = "Expected \"execution\" or \"task\"."
  }
}

variable "account_id" {
  description = "Account whose ECS may assume the role; null for any (AWS advises to name it)."
  type        = string
  default     = null
}

variable "repository_arns" {
  description = "Repositories an execution role pulls from."
  type        = list(string)
  default     = []
}

variable "log_group_arns" {
  description = "Log groups an execution role writes to."
  type        = list(string)
  default     = []
}

variable "secret_arns" {
  description = "Secrets an execution role reads."
  type        = list(string)
  default     = []
}

variable "parameter_arns" {
  description = "Parameters an execution role reads."
  type        = list(string)
  default     = []
}

variable "kms_key_arns" {
  description = "Keys an execution role decrypts secrets and parameters with."
  type        = list(string)
  default     = []
}

variable "statements" {
  description = "What else the role may do."
  type        = list(object({ sid = string, actions = list(string), resources = list(string) }))
  default     = []
}

variable "exec_enabled" {
  description = "Whether a task role lets ECS Exec open a shell."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of the role."
  type        = map(string)
  default     = {}
}

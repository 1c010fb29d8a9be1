variable "prefix" {
  description = "First part of every secret's name, for example `shop-prod/`."
  type        = string
  default     = ""
}

variable "secrets" {
  description = <<-EOT
    Secrets of Secrets Manager, name to its JSON keys; no keys for a secret that is one plain text. Terraform writes a
    placeholder when it creates them and never touches the value again.
  EOT
  type        = map(list(string))
  default     = {}
}

variable "parameters" {
  description = "Encrypted parameters of Parameter Store by full path, for example `/shop/prod/database/password`. Values as for `secrets`."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for name in var.parameters : can(regex("^/[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*$", name))])
    error_message = "A parameter is a full path, for example \"/shop/prod/database/password\"."
  }
}

variable "settings" {
  description = "Plain parameters of Parameter Store, path to value: configuration, not secrets."
  type        = map(string)
  default     = {}
}

variable "initial_values" {
  description = "First values instead of the placeholder: by `name` or `name:KEY` for secrets, by path for parameters. Only for what is no secret, such as a host name."
  type        = map(string)
  default     = {}
}

variable "kms_key_arn" {
  description = "Key that encrypts the values; null for the ones of the services."
  type        = string
  default     = null
}

variable "recovery_window_days" {
  description = "Days a deleted secret can be restored; 0 deletes it at once."
  type        = number
  default     = 7

  validation {
    condition     = var.recovery_window_days == 0 || (var.recovery_window_days >= 7 && var.recovery_window_days <= 30)
    error_message = "Expected 0, or 7 to 30 days."
  }
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

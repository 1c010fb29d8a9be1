variable "alias" {
  description = "Name of the key, without `alias/`."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9/_-]+$", var.alias)) && !can(regex("^(alias/|aws/)", var.alias))
    error_message = "An alias is letters, digits, / _ and -, without \"alias/\" in front and not below \"aws/\"."
  }
}

variable "description" {
  description = "What the key encrypts."
  type        = string
}

variable "account_id" {
  description = "Account whose IAM policies decide about the key."
  type        = string
}

variable "region" {
  description = "Region, for CloudWatch Logs."
  type        = string
}

variable "log_group_prefixes" {
  description = "CloudWatch Logs may use the key for log groups that begin so."
  type        = list(string)
  default     = []
}

variable "deletion_window_days" {
  description = "Days a deleted key can be restored."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_days >= 7 && var.deletion_window_days <= 30
    error_message = "Expected 7 to 30 days."
  }
}

variable "tags" {
  description = "Tags of the key."
  type        = map(string)
  default     = {}
}

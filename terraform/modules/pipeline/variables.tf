variable "name" {
  description = "Name of the pipeline, and the first part of every other name."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9-]{1,32}$", var.name))
    error_message = "A pipeline's name is 1 to 32 letters, digits and hyphens."
  }
}

variable "account_id" {
  description = "Account, for the bucket's name and the permissions."
  type        = string
}

variable "region" {
  description = "Region, for the permissions."
  type        = string
}

variable "repository" {
  description = "Source repository, `owner/name`."
  type        = string

  validation {
    condition     = can(regex("^[^/]+/[^/]+$", var.repository))
    error_message = "Expected \"owner/name\"."
  }
}

variable "branch" {
  description = "Branch that is built."
  type        = string
  default     = "main"
}

variable "provider_type" {
  description = "Where the repository is: `GitHub`, `Bitbucket`, `GitLab`."
  type        = string
  default     = "GitHub"

  validation {
    condition     = contains(["GitHub", "Bitbucket", "GitLab"], var.provider_type)
    error_message = "Expected \"GitHub\", \"Bitbucket\" or \"GitLab\"."
  }
}

variable "image_repository" {
  description = "Repository the image is pushed to: its URL and ARN."
  type        = object({ url = string, arn = string })
}

variable "cluster" {
  description = "Name of the cluster that is deployed to."
  type        = string
}

variable "deployments" {
  description = "Services that get the new image, all at the same time: name of the service to the name of its container."
  type        = map(string)
}

variable "role_arns" {
  description = "Execution and task roles of the services, which the deployment hands on."
  type        = list(string)
}

variable "deploy_timeout_minutes" {
  description = "Minutes a deployment may take."
  type        = number
  default     = 10
}

variable "notification_topic_arn" {
  description = "Topic that is told of a failed run."
  type        = string
  default     = null
}

variable "notifications_enabled" {
  description = "Whether `notification_topic_arn` is told."
  type        = bool
  default     = false
}

variable "log_retention_days" {
  description = "Days the build logs are kept."
  type        = number
  default     = 30
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

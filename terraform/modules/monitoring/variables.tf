variable "name" {
  description = "First part of the names of topic, alarms and dashboard."
  type        = string
}

variable "region" {
  description = "Region of the metrics."
  type        = string
}

variable "cluster" {
  description = "Name of the cluster."
  type        = string
}

variable "services" {
  description = "Names of the services on the dashboard."
  type        = list(string)
  default     = []
}

variable "load_balancer" {
  description = "ARN suffix of the load balancer that is watched."
  type        = string
  default     = null
}

variable "target_groups" {
  description = "ARN suffixes of its target groups by key."
  type        = map(string)
  default     = {}
}

variable "alarms_enabled" {
  description = "Whether there are alarms on the load balancer."
  type        = bool
  default     = true
}

variable "alarm_actions" {
  description = "Whom the alarms tell besides the module's own topic, for example topics of your own."
  type        = list(string)
  default     = []
}

variable "emails" {
  description = "Addresses that are told of alarms; each must confirm."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+$", email))])
    error_message = "Expected e-mail addresses such as \"oncall@example.com\"."
  }
}

variable "topic_kms_key_id" {
  description = "Key that encrypts the topic; it must let CloudWatch use it, which SNS's own key does not. Null for none."
  type        = string
  default     = null
}

variable "response_time" {
  description = "Alarm on the average response time in seconds."
  type        = object({ threshold = number, period = number, evaluation_periods = number })
  default     = { threshold = 2, period = 60, evaluation_periods = 3 }
}

variable "errors" {
  description = "Alarm on the number of 5xx answers in a period. `source` is `targets` or `load_balancer`."
  type        = object({ threshold = number, period = number, evaluation_periods = number, source = string })
  default     = { threshold = 10, period = 60, evaluation_periods = 2, source = "load_balancer" }

  validation {
    condition     = contains(["targets", "load_balancer"], var.errors.source)
    error_message = "The source of errors is \"targets\" or \"load_balancer\"."
  }
}

variable "unhealthy_hosts" {
  description = "Alarm on targets that are not healthy, per target group; null for none."
  type        = object({ period = number, evaluation_periods = number })
  default     = null
}

variable "dashboard_enabled" {
  description = "Whether there is a dashboard."
  type        = bool
  default     = true
}

variable "monthly_budget_usd" {
  description = "Budget that warns at 80 and 100 percent by e-mail; null for none."
  type        = number
  default     = null
}

variable "budget_tag" {
  description = "Cost allocation tag the budget counts, `Key$Value`."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

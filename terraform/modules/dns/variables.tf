variable "domain" {
  description = "Domain of the hosted zone, for example `example.com`."
  type        = string

  validation {
    condition     = can(regex("^([a-z0-9-]+\\.)+[a-z]{2,}$", var.domain))
    error_message = "Expected a domain such as \"example.com\"."
  }
}

variable "create_zone" {
  description = "Makes the hosted zone; false finds it."
  type        = bool
  default     = false
}

variable "certificate_names" {
  description = "Host names of a certificate, validated by records in the zone; empty for none."
  type        = list(string)
  default     = []
}

variable "aliases" {
  description = <<-EOT
    Records by key that lead a host name to a load balancer or distribution. Two with the same name share the requests
    by weight, which is how one fleet is exchanged for another; a null weight is a plain record.
  EOT
  type = map(object({
    name     = string
    dns_name = string
    zone_id  = string
    weight   = number
  }))
  default = {}

  validation {
    condition     = alltrue([for alias in values(var.aliases) : alias.weight == null ? true : alias.weight >= 0 && alias.weight <= 255])
    error_message = "A weight is 0 to 255, or null."
  }
}

variable "tags" {
  description = "Tags of zone and certificate."
  type        = map(string)
  default     = {}
}

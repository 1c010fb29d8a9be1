variable "name" {
  description = "Name of the VPC, and the first part of every other name."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9-]{0,63}$", var.name))
    error_message = "A name is 1 to 64 letters, digits and hyphens, for example \"shop-prod\"."
  }
}

variable "cidr" {
  description = "Address range of the VPC, /16 to /28."
  type        = string

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && can(regex("/(1[6-9]|2[0-8])$", var.cidr))
    error_message = "Expected an address range of /16 to /28, for example \"10.0.0.0/16\"."
  }
}

variable "subnets" {
  description = "Subnets by name. Tier `public` has a route to the internet gateway, `private` one to a NAT gateway, `isolated` none."
  type = map(object({
    zone = string
    cidr = string
    tier = string
  }))

  validation {
    condition     = alltrue([for subnet in values(var.subnets) : contains(["public", "private", "isolated"], subnet.tier)])
    error_message = "A subnet's tier is \"public\", \"private\" or \"isolated\"."
  }

  validation {
    condition     = alltrue([for subnet in values(var.subnets) : can(cidrhost(subnet.cidr, 0))])
    error_message = "A subnet's cidr is an address range inside the VPC's, for example \"10.0.1.0/24\"."
  }
}

variable "nat" {
  description = "NAT gateways for the private subnets: `none`, `single` (one for all zones) or `per_zone`."
  type        = string
  default     = "single"

  validation {
    condition     = contains(["none", "single", "per_zone"], var.nat)
    error_message = "Expected \"none\", \"single\" or \"per_zone\"."
  }
}

variable "region" {
  description = "Region, for the names of the endpoint services."
  type        = string
}

variable "gateway_endpoints" {
  description = "Services reached through a gateway endpoint (free of charge): `s3`, `dynamodb`."
  type        = list(string)
  default     = ["s3"]

  validation {
    condition     = alltrue([for service in var.gateway_endpoints : contains(["s3", "dynamodb"], service)])
    error_message = "Only \"s3\" and \"dynamodb\" have gateway endpoints."
  }
}

variable "interface_endpoints" {
  description = "Services reached through an interface endpoint in the private subnets, for example `ecr.api`, `ecr.dkr`, `secretsmanager`, `ssm`, `logs`."
  type        = list(string)
  default     = []
}

variable "endpoint_security_group_ids" {
  description = "Security groups of the interface endpoints; they must let port 443 in from the tasks."
  type        = list(string)
  default     = []
}

variable "flow_logs" {
  description = "Whether the VPC's traffic is recorded in a log group."
  type        = bool
  default     = false
}

variable "flow_logs_retention_days" {
  description = "Days the flow logs are kept."
  type        = number
  default     = 30
}

variable "log_kms_key_arn" {
  description = "Key that encrypts the flow logs; null for the one of CloudWatch Logs."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

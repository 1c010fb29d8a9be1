variable "name" {
  description = "DNS name of the namespace, for example `shop.local`; services are `service.shop.local`."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", var.name))
    error_message = "A namespace is a lower-case DNS name, for example \"shop.local\"."
  }
}

variable "vpc_id" {
  description = "VPC the names are known in."
  type        = string
}

variable "description" {
  description = "What the namespace is for."
  type        = string
  default     = "Names of the services"
}

variable "tags" {
  description = "Tags of the namespace."
  type        = map(string)
  default     = {}
}

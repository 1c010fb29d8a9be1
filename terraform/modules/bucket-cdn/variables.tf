variable "bucket" {
  description = "Name of the bucket, unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name is 3 to 63 lower-case letters, digits, dots and hyphens."
  }
}

variable "comment" {
  description = "What the distribution is for."
  type        = string
}

variable "api_origin" {
  description = "Host name that `api_paths` are sent to, for example a load balancer's; null for a front end alone."
  type        = string
  default     = null
}

variable "api_origin_enabled" {
  description = "Whether there is an `api_origin` (which may be known only when it is created)."
  type        = bool
  default     = false
}

variable "api_origin_https" {
  description = "Whether the API is spoken to with HTTPS."
  type        = bool
  default     = false
}

variable "api_paths" {
  description = "Paths that go to the API; everything else comes from the bucket."
  type        = list(string)
  default     = ["/api/*", "/health"]
}

variable "bucket_paths" {
  description = "The other way round: paths that come from the bucket, while everything else goes to the API. Empty for `api_paths`."
  type        = list(string)
  default     = []
}

variable "default_root_object" {
  description = "What `/` is, when it comes from the bucket."
  type        = string
  default     = "index.html"
}

variable "price_class" {
  description = "Where in the world copies are kept."
  type        = string
  default     = "PriceClass_100"

  validation {
    condition     = contains(["PriceClass_100", "PriceClass_200", "PriceClass_All"], var.price_class)
    error_message = "Expected \"PriceClass_100\", \"PriceClass_200\" or \"PriceClass_All\"."
  }
}

variable "aliases" {
  description = "Host names of your own; they need `certificate_arn`."
  type        = list(string)
  default     = []
}

variable "certificate_arn" {
  description = "Certificate (in us-east-1) for `aliases`; null for CloudFront's own name."
  type        = string
  default     = null
}

variable "web_acl_id" {
  description = "Web ACL in front of the distribution; null for none."
  type        = string
  default     = null
}

variable "force_destroy" {
  description = "Whether the bucket is deleted together with what is in it."
  type        = bool
  default     = false
}

variable "noncurrent_days" {
  description = "Days an overwritten or deleted file can be brought back."
  type        = number
  default     = 30
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

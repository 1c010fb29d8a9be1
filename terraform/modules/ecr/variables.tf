variable "repositories" {
  description = "Names of the repositories, for example `shop/api`."
  type        = list(string)

  validation {
    condition     = alltrue([for name in var.repositories : can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", name))])
    error_message = "A repository's name is lower-case letters and digits, parted by - _ . or /, for example \"shop/api\"."
  }
}

variable "immutable_tags" {
  description = "Whether a tag, once pushed, always means the same image."
  type        = bool
  default     = false
}

variable "keep_images" {
  description = "Newest images that are kept in each repository."
  type        = number
  default     = 10

  validation {
    condition     = var.keep_images >= 1
    error_message = "At least one image must be kept."
  }
}

variable "force_delete" {
  description = "Whether a repository is deleted together with its images."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of the repositories."
  type        = map(string)
  default     = {}
}

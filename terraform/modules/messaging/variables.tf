variable "name" {
  description = "First part of every queue's and topic's name: `name-key`."
  type        = string
}

variable "queues" {
  description = "Queues by key, each with a dead-letter queue `name-key-dlq` that takes what was received `max_receive_count` times."
  type = map(object({
    max_receive_count          = number
    visibility_timeout_seconds = number
    message_retention_seconds  = number
  }))
  default = {}

  validation {
    condition     = alltrue([for queue in values(var.queues) : queue.max_receive_count >= 1 && queue.max_receive_count <= 1000])
    error_message = "A message may be received 1 to 1000 times."
  }

  validation {
    condition     = alltrue([for queue in values(var.queues) : queue.message_retention_seconds >= 60 && queue.message_retention_seconds <= 1209600])
    error_message = "SQS keeps messages 60 to 1209600 seconds (14 days)."
  }
}

variable "topics" {
  description = "Topics by key."
  type        = list(string)
  default     = []
}

variable "subscriptions" {
  description = "What each queue receives: key of the queue to keys of topics."
  type        = map(list(string))
  default     = {}
}

variable "kms_master_key_id" {
  description = "Key that encrypts the topics; null for none. Queues are encrypted by SQS."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

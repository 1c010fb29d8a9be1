variable "name" {
  description = "First part of the groups' names; a group is called `name-key`."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the groups."
  type        = string
}

variable "groups" {
  description = <<-EOT
    Groups by key. A rule's `port` is a port or a range such as "3000-4000"; its `peer` is "anywhere", an address
    range, or the key of another group. With `egress = null` everything may leave.
  EOT
  type = map(object({
    description = string
    ingress     = list(object({ port = string, protocol = string, peer = string }))
    egress      = list(object({ port = string, protocol = string, peer = string }))
  }))

  validation {
    condition = alltrue(flatten([
      for group in values(var.groups) : [
        for rule in concat(group.ingress, group.egress == null ? [] : group.egress) : can(regex("^[0-9]{1,5}(-[0-9]{1,5})?$", rule.port))
      ]
    ]))
    error_message = "A rule's port is a port or a range, for example \"443\" or \"3000-4000\"."
  }

  validation {
    condition = alltrue(flatten([
      for group in values(var.groups) : [
        for rule in concat(group.ingress, group.egress == null ? [] : group.egress) : contains(["tcp", "udp"], rule.protocol)
      ]
    ]))
    error_message = "A rule's protocol is \"tcp\" or \"udp\"."
  }

  validation {
    condition = alltrue(flatten([
      for group in values(var.groups) : [
        for rule in concat(group.ingress, group.egress == null ? [] : group.egress) :
        rule.peer == "anywhere" || can(cidrhost(rule.peer, 0)) || contains(keys(var.groups), rule.peer)
      ]
    ]))
    error_message = "A rule's peer is \"anywhere\", an address range such as \"10.0.0.0/16\", or the key of one of the groups."
  }
}

variable "tags" {
  description = "Tags of everything the module creates."
  type        = map(string)
  default     = {}
}

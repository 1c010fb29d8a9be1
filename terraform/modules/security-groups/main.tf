locals {
  described = {
    for direction in ["ingress", "egress"] : direction => flatten([
      for key, group in var.groups : [
        for rule in(direction == "ingress" ? group.ingress : (group.egress == null ? [] : group.egress)) : {
          id       = "${key}/${rule.protocol}/${rule.port}/${rule.peer}"
          group    = key
          protocol = rule.protocol
          from     = tonumber(split("-", rule.port)[0])
          to       = tonumber(reverse(split("-", rule.port))[0])
          peer     = rule.peer
          cidr     = rule.peer == "anywhere" ? "0.0.0.0/0" : (contains(keys(var.groups), rule.peer) ? null : rule.peer)
        }
      ]
    ])
  }
  ingress = { for rule in local.described.ingress : rule.id => rule }
  egress  = { for rule in local.described.egress : rule.id => rule }
  open    = toset([for key, group in var.groups : key if group.egress == null])
}

resource "aws_security_group" "this" {
  for_each = var.groups

  name        = "${var.name}-${each.key}"
  description = each.value.description
  vpc_id      = var.vpc_id

  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

# Rules stand alone so that two groups can name each other.
resource "aws_vpc_security_group_ingress_rule" "this" {
  for_each = local.ingress

  security_group_id            = aws_security_group.this[each.value.group].id
  description                  = "${each.value.protocol} ${each.value.from}-${each.value.to} from ${each.value.peer}"
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.from
  to_port                      = each.value.to
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.cidr == null ? aws_security_group.this[each.value.peer].id : null

  tags = merge(var.tags, { Name = each.key })
}

resource "aws_vpc_security_group_egress_rule" "this" {
  for_each = local.egress

  security_group_id            = aws_security_group.this[each.value.group].id
  description                  = "${each.value.protocol} ${each.value.from}-${each.value.to} to ${each.value.peer}"
  ip_protocol                  = each.value.protocol
  from_port                    = each.value.from
  to_port                      = each.value.to
  cidr_ipv4                    = each.value.cidr
  referenced_security_group_id = each.value.cidr == null ? aws_security_group.this[each.value.peer].id : null

  tags = merge(var.tags, { Name = each.key })
}

resource "aws_vpc_security_group_egress_rule" "anywhere" {
  for_each = local.open

  security_group_id = aws_security_group.this[each.key].id
  description       = "everything to anywhere"
  ip_protocol       = "-1"
  cidr_ipv4         = "0.0.0.0/0"

  tags = merge(var.tags, { Name = "${each.key}/anywhere" })
}

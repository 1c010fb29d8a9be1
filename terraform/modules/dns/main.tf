locals {
  zone_id     = var.create_zone ? aws_route53_zone.this[0].zone_id : data.aws_route53_zone.this[0].zone_id
  certificate = length(var.certificate_names) > 0
}

resource "aws_route53_zone" "this" {
  count = var.create_zone ? 1 : 0

  name = var.domain

  tags = var.tags
}

data "aws_route53_zone" "this" {
  count = var.create_zone ? 0 : 1

  name = var.domain
}

resource "aws_acm_certificate" "this" {
  count = local.certificate ? 1 : 0

  domain_name               = var.certificate_names[0]
  subject_alternative_names = slice(var.certificate_names, 1, length(var.certificate_names))
  validation_method         = "DNS"

  tags = var.tags

  # A listener uses the old one until the new one is there.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for option in(local.certificate ? aws_acm_certificate.this[0].domain_validation_options : []) : option.domain_name => option
  }

  zone_id         = local.zone_id
  name            = each.value.resource_record_name
  type            = each.value.resource_record_type
  records         = [each.value.resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = local.certificate ? 1 : 0

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = [for record in values(aws_route53_record.validation) : record.fqdn]
}

resource "aws_route53_record" "alias" {
  for_each = var.aliases

  zone_id        = local.zone_id
  name           = each.value.name
  type           = "A"
  set_identifier = each.value.weight == null ? null : each.key

  alias {
    name                   = each.value.dns_name
    zone_id                = each.value.zone_id
    evaluate_target_health = true
  }

  dynamic "weighted_routing_policy" {
    for_each = each.value.weight == null ? [] : [each.value.weight]

    content {
      weight = weighted_routing_policy.value
    }
  }
}

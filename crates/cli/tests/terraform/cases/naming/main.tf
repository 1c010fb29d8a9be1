variable "team" { default = "shop" }
variable "address" { default = "10.0.0.1" }
variable "weight" { default = 10 }
variable "comment" { default = "names of the shop" }
variable "sending" { default = true }
variable "tls" { default = "Require" }
variable "behavior" { default = "UseDefaultValue" }
variable "types" { default = ["bounce", "complaint"] }

resource "aws_route53_zone" "main" {
  name          = "shop.test"
  comment       = var.comment
  force_destroy = true
  tags          = { Team = var.team }
}

# Known when the zone is there, not before.
data "aws_route53_zone" "by_name" {
  name = split(" ", "${aws_route53_zone.main.name} ${aws_route53_zone.main.id}")[0]
}

resource "aws_route53_record" "www" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "www.shop.test"
  type    = "A"
  ttl     = 60
  records = [var.address, "10.0.0.2"]
}

resource "aws_route53_record" "any" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "*.shop.test"
  type    = "CNAME"
  ttl     = 300
  records = ["www.shop.test"]
}

resource "aws_route53_record" "note" {
  zone_id = aws_route53_zone.main.zone_id
  name    = "note.shop.test"
  type    = "TXT"
  ttl     = 60
  records = ["v=spf1 include:amazonses.com ~all"]
}

resource "aws_route53_record" "mail" {
  zone_id         = aws_route53_zone.main.zone_id
  name            = "mail.shop.test"
  type            = "MX"
  ttl             = 60
  records         = ["10 feedback-smtp.us-east-1.amazonses.com"]
  allow_overwrite = true
}

resource "aws_route53_record" "weighted" {
  zone_id        = aws_route53_zone.main.zone_id
  name           = "api.shop.test"
  type           = "A"
  set_identifier = "blue"
  alias {
    name                   = aws_route53_record.www.fqdn
    zone_id                = aws_route53_zone.main.zone_id
    evaluate_target_health = false
  }
  weighted_routing_policy {
    weight = var.weight
  }
}

resource "aws_acm_certificate" "main" {
  domain_name               = "shop.test"
  subject_alternative_names = ["*.shop.test"]
  validation_method         = "DNS"
  tags                      = { Team = var.team }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  for_each = {
    for option in aws_acm_certificate.main.domain_validation_options : option.domain_name => option
  }
  zone_id         = aws_route53_zone.main.zone_id
  name            = each.value.resource_record_name
  type            = each.value.resource_record_type
  ttl             = 60
  records         = [each.value.resource_record_value]
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "main" {
  certificate_arn         = aws_acm_certificate.main.arn
  validation_record_fqdns = [for record in aws_route53_record.validation : record.fqdn]
}

resource "aws_acm_certificate" "elsewhere" {
  domain_name       = "elsewhere.test"
  validation_method = "DNS"
}

resource "aws_acm_certificate_validation" "elsewhere" {
  certificate_arn = aws_acm_certificate.elsewhere.arn
}

resource "aws_ses_domain_identity" "main" {
  domain = "shop.test"
}

resource "aws_ses_domain_dkim" "main" {
  domain = aws_ses_domain_identity.main.domain
}

resource "aws_ses_domain_mail_from" "main" {
  domain                 = aws_ses_domain_identity.main.domain
  mail_from_domain       = "mail.shop.test"
  behavior_on_mx_failure = var.behavior
}

resource "aws_ses_configuration_set" "main" {
  name                       = "shop"
  reputation_metrics_enabled = true
  sending_enabled            = var.sending
  delivery_options {
    tls_policy = var.tls
  }
}

resource "aws_ses_event_destination" "topic" {
  name                   = "topic"
  configuration_set_name = aws_ses_configuration_set.main.name
  enabled                = true
  matching_types         = var.types
  sns_destination {
    topic_arn = "arn:aws:sns:us-east-1:000000000000:bounces"
  }
}

resource "aws_ses_event_destination" "metrics" {
  name                   = "metrics"
  configuration_set_name = aws_ses_configuration_set.main.name
  enabled                = true
  matching_types         = ["send"]
  cloudwatch_destination {
    default_value  = "shop"
    dimension_name = "team"
    value_source   = "messageTag"
  }
}

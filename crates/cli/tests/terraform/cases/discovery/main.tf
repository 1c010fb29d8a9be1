variable "vpc" { default = "vpc-0123456789abcdef0" }
variable "description" { default = "Names of the shop" }
variable "ttl" { default = 10 }
variable "team" { default = "shop" }

resource "aws_service_discovery_private_dns_namespace" "shop" {
  name        = "shop.local"
  description = var.description
  vpc         = var.vpc
  tags        = { Team = var.team }
}

resource "aws_service_discovery_http_namespace" "mesh" {
  name        = "mesh"
  description = "Found by DiscoverInstances"
  tags        = { Team = var.team }
}

resource "aws_service_discovery_service" "web" {
  name        = "web"
  description = var.description
  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.shop.id
    routing_policy = "MULTIVALUE"
    dns_records {
      ttl  = var.ttl
      type = "A"
    }
  }
  health_check_custom_config {
    failure_threshold = 1
  }
  tags = { Team = var.team }
}

resource "aws_service_discovery_service" "grpc" {
  name = "grpc"
  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.shop.id
    dns_records {
      ttl  = var.ttl
      type = "SRV"
    }
  }
}

resource "aws_service_discovery_service" "api" {
  name         = "api"
  namespace_id = aws_service_discovery_http_namespace.mesh.id
  tags         = { Team = var.team }
}

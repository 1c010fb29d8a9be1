variable "environment" {
  default = "staging"
}

variable "office" {
  default = "203.0.113.0/24"
}

variable "public_addresses" {
  default = false
}

variable "host_names" {
  default = false
}

variable "nat" {
  default = true
}

variable "private_table" {
  default = 0
}

data "aws_availability_zones" "available" {
  state = "available"
  filter {
    name   = "opt-in-status"
    values = ["opt-in-not-required"]
  }
}

data "aws_ami" "ecs" {
  most_recent = true
  owners      = ["amazon"]
  filter {
    name   = "name"
    values = ["amzn2-ami-ecs-hvm-*-x86_64-ebs"]
  }
}

resource "aws_vpc" "main" {
  cidr_block           = "10.0.0.0/16"
  enable_dns_hostnames = true
  enable_dns_support   = true
  tags                 = { Name = "main", Environment = var.environment }
}

# As a client writes it that wants no attribute but the range.
resource "aws_vpc" "plain" {
  cidr_block           = "10.1.0.0/20"
  enable_dns_hostnames = var.host_names
}

resource "aws_internet_gateway" "main" {
  vpc_id = aws_vpc.main.id
  tags   = { Name = "main-${var.environment}" }
}

resource "aws_subnet" "public" {
  count                   = 2
  vpc_id                  = aws_vpc.main.id
  cidr_block              = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index)
  availability_zone       = data.aws_availability_zones.available.names[count.index]
  map_public_ip_on_launch = var.public_addresses
  tags                    = { Name = "public-${count.index}", Tier = var.environment }
}

resource "aws_subnet" "private" {
  count             = 2
  vpc_id            = aws_vpc.main.id
  cidr_block        = cidrsubnet(aws_vpc.main.cidr_block, 8, count.index + 10)
  availability_zone = data.aws_availability_zones.available.names[count.index]
}

data "aws_subnet" "private" {
  id = aws_subnet.private[0].id
}

data "aws_subnets" "of_main" {
  filter {
    name   = "vpc-id"
    values = [data.aws_subnet.private.vpc_id]
  }
}

resource "aws_eip" "nat" {
  domain = "vpc"
  tags   = { Name = "nat-${var.environment}" }
}

resource "aws_nat_gateway" "main" {
  allocation_id = aws_eip.nat.id
  subnet_id     = aws_subnet.public[0].id
  tags          = { Name = "nat-${var.environment}" }
  depends_on    = [aws_internet_gateway.main]
}

resource "aws_route_table" "public" {
  vpc_id = aws_vpc.main.id
  route {
    cidr_block = "0.0.0.0/0"
    gateway_id = aws_internet_gateway.main.id
  }
  tags = { Name = "public-${var.environment}" }
}

resource "aws_route_table" "private" {
  count  = 2
  vpc_id = aws_vpc.main.id
}

# Both ways out come and go in place.
resource "aws_route" "private" {
  count                  = 2
  route_table_id         = aws_route_table.private[count.index].id
  destination_cidr_block = "0.0.0.0/0"
  nat_gateway_id         = var.nat ? aws_nat_gateway.main.id : null
  gateway_id             = var.nat ? null : aws_internet_gateway.main.id
}

resource "aws_route_table_association" "public" {
  count          = 2
  subnet_id      = aws_subnet.public[count.index].id
  route_table_id = aws_route_table.public.id
}

resource "aws_route_table_association" "private" {
  count          = 2
  subnet_id      = aws_subnet.private[count.index].id
  route_table_id = aws_route_table.private[var.private_table == 1 ? 1 - count.index : count.index].id
}

resource "aws_default_route_table" "plain" {
  default_route_table_id = aws_vpc.plain.default_route_table_id
  tags                   = { Name = "default-${var.environment}" }
}

resource "aws_default_security_group" "plain" {
  vpc_id = aws_vpc.plain.id
  tags   = { Name = "default-${var.environment}" }
}

resource "aws_default_network_acl" "plain" {
  default_network_acl_id = aws_vpc.plain.default_network_acl_id
  ingress {
    protocol   = "-1"
    rule_no    = 100
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
  egress {
    protocol   = "-1"
    rule_no    = 100
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
  egress {
    protocol        = "-1"
    rule_no         = 101
    action          = "allow"
    ipv6_cidr_block = "::/0"
    from_port       = 0
    to_port         = 0
  }
  tags = { Name = "default-${var.environment}" }
}

resource "aws_network_acl" "main" {
  vpc_id     = aws_vpc.main.id
  subnet_ids = [aws_subnet.private[1].id]
  ingress {
    protocol   = "tcp"
    rule_no    = 100
    action     = "allow"
    cidr_block = var.office
    from_port  = 443
    to_port    = 443
  }
  egress {
    protocol   = "-1"
    rule_no    = 100
    action     = "allow"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
}

# Rules in place.
resource "aws_security_group" "inline" {
  name        = "inline"
  description = "balancers"
  vpc_id      = aws_vpc.main.id
  ingress {
    description = "HTTP"
    from_port   = 80
    to_port     = 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0", var.office]
  }
  ingress {
    from_port = 0
    to_port   = 0
    protocol  = "-1"
    self      = true
  }
  ingress {
    from_port       = 8080
    to_port         = 8090
    protocol        = "tcp"
    security_groups = [aws_security_group.rules.id]
  }
  egress {
    from_port   = 0
    to_port     = 0
    protocol    = "-1"
    cidr_blocks = ["0.0.0.0/0"]
  }
  tags = { Name = "inline-${var.environment}" }
}

# Rules as resources of their own, the older way.
resource "aws_security_group" "rules" {
  name_prefix            = "rules-"
  vpc_id                 = aws_vpc.main.id
  revoke_rules_on_delete = true
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_security_group_rule" "ingress" {
  type              = "ingress"
  security_group_id = aws_security_group.rules.id
  from_port         = 5432
  to_port           = 5432
  protocol          = "tcp"
  cidr_blocks       = ["10.0.0.0/16"]
  description       = "database of ${var.environment}"
}

resource "aws_security_group_rule" "members" {
  type              = "ingress"
  security_group_id = aws_security_group.rules.id
  from_port         = 0
  to_port           = 65535
  protocol          = "udp"
  self              = true
}

resource "aws_security_group_rule" "egress" {
  type                     = "egress"
  security_group_id        = aws_security_group.rules.id
  from_port                = 0
  to_port                  = 0
  protocol                 = "-1"
  source_security_group_id = aws_security_group.single.id
}

# And the newer one.
resource "aws_security_group" "single" {
  name   = "single"
  vpc_id = aws_vpc.main.id
}

resource "aws_vpc_security_group_ingress_rule" "single" {
  security_group_id            = aws_security_group.single.id
  referenced_security_group_id = aws_security_group.rules.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
  description                  = "from ${var.environment}"
  tags                         = { Name = var.environment }
}

resource "aws_vpc_security_group_ingress_rule" "office" {
  security_group_id = aws_security_group.single.id
  cidr_ipv4         = var.office
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

resource "aws_vpc_security_group_egress_rule" "single" {
  security_group_id = aws_security_group.single.id
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
  tags              = { Name = var.environment }
}

resource "aws_vpc_security_group_egress_rule" "bucket" {
  security_group_id = aws_security_group.single.id
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.main.id
  service_name      = "com.amazonaws.us-east-1.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = var.private_table == 1 ? aws_route_table.private[*].id : [aws_route_table.private[0].id]
  tags              = { Name = "s3-${var.environment}" }
}

resource "aws_vpc_endpoint" "ecr" {
  vpc_id              = aws_vpc.main.id
  service_name        = "com.amazonaws.us-east-1.ecr.api"
  vpc_endpoint_type   = "Interface"
  subnet_ids          = aws_subnet.private[*].id
  security_group_ids  = [aws_security_group.inline.id]
  private_dns_enabled = true
}

resource "aws_flow_log" "main" {
  vpc_id               = aws_vpc.main.id
  traffic_type         = "ALL"
  log_destination_type = "cloud-watch-logs"
  log_destination      = "arn:aws:logs:us-east-1:000000000000:log-group:/vpc/main"
  iam_role_arn         = "arn:aws:iam::000000000000:role/flow-logs"
  tags                 = { Name = "flow-${var.environment}" }
}

output "image" {
  value = data.aws_ami.ecs.id
}

output "subnets" {
  value = length(data.aws_subnets.of_main.ids)
}

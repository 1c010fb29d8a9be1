output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "Address range of the VPC."
  value       = aws_vpc.this.cidr_block
}

output "subnet_ids" {
  description = "Ids of all subnets by name."
  value       = { for key, subnet in aws_subnet.this : key => subnet.id }
}

output "public_subnet_ids" {
  description = "Ids of the public subnets."
  value       = [for key in keys(local.public) : aws_subnet.this[key].id]
}

output "private_subnet_ids" {
  description = "Ids of the private subnets."
  value       = [for key in keys(local.private) : aws_subnet.this[key].id]
}

output "isolated_subnet_ids" {
  description = "Ids of the isolated subnets."
  value       = [for key in keys(local.isolated) : aws_subnet.this[key].id]
}

output "nat_public_ips" {
  description = "Addresses that connections of the tasks come from, by zone."
  value       = { for zone, address in aws_eip.nat : zone => address.public_ip }
}

environment      = "production"
office           = "198.51.100.0/24"
public_addresses = true
host_names       = true

nat           = false
private_table = 1

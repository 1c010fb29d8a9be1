environment = "qua"

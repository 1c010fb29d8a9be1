environment = "itg"

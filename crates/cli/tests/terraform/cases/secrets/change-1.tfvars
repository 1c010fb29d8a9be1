# replaces: aws_secretsmanager_secret_version.db
value   = "second"
team    = "web"
days    = 7
pattern = "{ $.status >= 500 }"

# replaces: aws_ses_event_destination.topic
team     = "store"
address  = "10.0.0.9"
weight   = 20
comment  = "names of the store"
sending  = false
tls      = "Optional"
behavior = "RejectMessage"
types    = ["bounce"]

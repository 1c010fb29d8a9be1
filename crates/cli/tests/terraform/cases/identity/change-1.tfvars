team        = "store"
action      = "sqs:ReceiveMessage"
session     = 7200
description = "of the store"
service     = "ecs.amazonaws.com"
rotation    = false

module "messaging" {
  source = "../../../terraform/modules/messaging"

  name   = local.network.name
  topics = ["events"]
  queues = {
    orders       = { max_receive_count = 5, visibility_timeout_seconds = 30, message_retention_seconds = 345600 }
    sales        = { max_receive_count = 5, visibility_timeout_seconds = 30, message_retention_seconds = 345600 }
    customer     = { max_receive_count = 5, visibility_timeout_seconds = 30, message_retention_seconds = 345600 }
    inventory    = { max_receive_count = 5, visibility_timeout_seconds = 30, message_retention_seconds = 345600 }
    organization = { max_receive_count = 5, visibility_timeout_seconds = 30, message_retention_seconds = 345600 }
    sample       = { max_receive_count = 5, visibility_timeout_seconds = 30, message_retention_seconds = 345600 }
  }
  subscriptions = {
    orders       = ["events"]
    sales        = ["events"]
    customer     = ["events"]
    inventory    = ["events"]
    organization = ["events"]
    sample       = ["events"]
  }
}

# Every module publishes to the one topic and receives from its own queue.
module "messaging" {
  source = "../../../terraform/modules/messaging"

  name   = "modular${local.suffix}"
  topics = ["events"]
  queues = {
    for key in keys(local.databases) : key => { max_receive_count = 5, visibility_timeout_seconds = 30, message_retention_seconds = 345600 }
  }
  subscriptions = { for key in keys(local.databases) : key => ["events"] }
}

module "messaging" {
  source = "../../../terraform/modules/messaging"

  name   = local.network.name
  topics = ["transactional", "marketing", "alerts", "email-events"]
  queues = {
    notifications = { max_receive_count = 3, visibility_timeout_seconds = 300, message_retention_seconds = 1209600 }
    email         = { max_receive_count = 3, visibility_timeout_seconds = 300, message_retention_seconds = 1209600 }
    sms           = { max_receive_count = 3, visibility_timeout_seconds = 300, message_retention_seconds = 1209600 }
    webhooks      = { max_receive_count = 5, visibility_timeout_seconds = 300, message_retention_seconds = 1209600 }
  }
}

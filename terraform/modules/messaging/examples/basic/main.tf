provider "aws" {
  region = "eu-west-1"
}

module "messaging" {
  source = "../.."

  name = "shop-prod"
  queues = {
    mail = { max_receive_count = 3, visibility_timeout_seconds = 300, message_retention_seconds = 1209600 }
  }
  topics        = ["orders"]
  subscriptions = { mail = ["orders"] }
}

output "queue_urls" {
  value = module.messaging.queue_urls
}

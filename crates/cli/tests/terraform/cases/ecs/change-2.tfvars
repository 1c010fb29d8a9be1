# A new deployment of the same by force, and no task more.
environment     = "production"
insights        = "enabled"
exec_logging    = "OVERRIDE"
spot_weight     = 3
image           = "shop/web:2"
minimum_percent = 50
maximum_percent = 150
workers         = 0
rollback        = false
rollout         = "second"
grace_seconds   = 0

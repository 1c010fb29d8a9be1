team      = "store"
branch    = "release"
value     = "2"
wait      = 10
logging   = false
frequency = "ONE_HOUR"
s3_logs   = false

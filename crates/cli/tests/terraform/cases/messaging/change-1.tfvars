visibility = 120
receives   = 5
display    = "All orders"
raw        = true
kinds      = ["paid", "sent"]
team       = "web"

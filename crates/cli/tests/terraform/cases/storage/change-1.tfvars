environment  = "changed"
expire_days  = 120
origins      = ["https://shop.example", "https://other.example"]
block_public = false
versioning   = "Suspended"

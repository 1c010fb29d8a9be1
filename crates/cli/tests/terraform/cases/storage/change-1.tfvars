environment  = "changed"
expire_days  = 120
origins      = ["https://shop.example", "https://other.example"]
block_public = false
versioning   = "Suspended"
price_class  = "PriceClass_All"
ttl          = 600

# State is a file beside this one. To share it, create a bucket with versioning, fill in its name, take the comment
# marks away and run `terraform init -migrate-state` (the lock file needs Terraform 1.10 or newer).
#
# terraform {
#   backend "s3" {
#     bucket       = "NAME-OF-THE-BUCKET"
#     key          = "<<system>>/terraform.tfstate"
#     region       = "<<region>>"
#     encrypt      = true
#     use_lockfile = true
#   }
# }

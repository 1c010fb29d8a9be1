module "messaging" {
  source = "<<modules>>/messaging"

  name = local.network.name
<<messaging>>
}

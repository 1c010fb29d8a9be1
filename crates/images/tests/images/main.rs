//! The store as its users see it: images in from programs, archives and the network; hostile
//! layers; crashes; deletion.

mod binary;
mod crash;
mod hostile_layers;
mod import;
mod registry;
mod registry_clients;
mod server;
mod store;
mod support;

//! The edge as its users meet it: real sockets on loopback, real backends, the engine's side of the
//! control socket.

mod draining;
mod harness;
mod health;
mod http;
mod life;
mod routing;
mod tunnels;

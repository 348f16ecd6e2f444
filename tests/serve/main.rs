//! The contract of the example program `serve`, over real connections to the real program.

#[path = "../../benches/load/client.rs"]
mod client;
#[path = "../programs/mod.rs"]
mod programs;

mod changes;
mod life;
mod limits;
mod queries;
mod service;

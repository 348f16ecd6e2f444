//! The contract of the example program `serve`, over real connections to a real process.

#[path = "../../benches/load/client.rs"]
mod client;
#[cfg(target_os = "linux")]
#[path = "../documents/make.rs"]
#[allow(dead_code)]
mod make;
#[path = "../programs/mod.rs"]
mod programs;
#[cfg(target_os = "linux")]
#[path = "../../examples/serve/isolate/wire/mod.rs"]
mod wire;

mod changes;
#[cfg(target_os = "linux")]
mod frames;
#[cfg(target_os = "linux")]
mod isolate;
mod life;
mod limits;
mod queries;
mod service;

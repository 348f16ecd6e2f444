//! leakprint recognises leaked material when it is posted again.

pub mod code;
pub mod error;
pub mod exec;
pub mod limits;

pub use error::{Error, ErrorKind, Result};
pub use exec::{Cancel, Executor};
pub use limits::{Budget, Limits};

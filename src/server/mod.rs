//! The server: puts the layers together from a configuration, runs them, and takes them down in order.

mod assemble;
mod logging;
mod run;
mod shutdown;
mod sites;

pub use logging::init as init_logging;
pub use run::{ServeError, run};

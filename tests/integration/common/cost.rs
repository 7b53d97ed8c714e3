//! What an attack costs the server. `make attacks` prints it for a release build.

use super::Server;
use std::time::{Duration, Instant};

/// From before an attack until after it.
pub(crate) struct Cost<'s> {
    server: &'s Server,
    attack: String,
    resident: Option<usize>,
    processor: Duration,
    started: Instant,
}

impl<'s> Cost<'s> {
    pub(crate) fn of(server: &'s Server, attack: impl Into<String>) -> Self {
        server.forget_peak();
        Self {
            server,
            attack: attack.into(),
            resident: server.resident_bytes(),
            processor: server.processor_time(),
            started: Instant::now(),
        }
    }

    /// Bytes that the server has more than before; 0 if unknown.
    pub(crate) fn grown(&self) -> usize {
        self.server.growth_since(self.resident)
    }

    /// Prints the line of this attack, and returns the bytes that it has left behind; 0 if unknown.
    pub(crate) fn end(self) -> usize {
        let grown = self.grown();
        let peak = self.resident.map_or(0, |before| self.server.peak_bytes().saturating_sub(before));
        println!(
            "ATTACK {:<44} {:>9} KiB at most {:>9} KiB after {:>8.2} s processor {:>8.2} s",
            self.attack,
            peak >> 10,
            grown >> 10,
            (self.server.processor_time() - self.processor).as_secs_f64(),
            self.started.elapsed().as_secs_f64(),
        );
        grown
    }
}

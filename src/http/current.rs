//! The current handler of a listener. Each request looks it up, so a reload can replace it.

use tokio::sync::watch;

use super::service::{HttpService, Leased};

/// The service of a connection's next request: the newest. Checking for a newer one costs two atomic operations.
pub(super) struct CurrentService {
    services: watch::Receiver<HttpService>,
    /// The one that the last request used.
    service: HttpService,
}

impl CurrentService {
    pub(super) fn new(mut services: watch::Receiver<HttpService>) -> Self {
        let service = services.borrow_and_update().clone();
        Self { services, service }
    }

    /// The lease comes before the check, so a reload that replaces the service meanwhile waits for this request, or is
    /// seen by it.
    pub(super) fn get(&mut self) -> Leased {
        loop {
            let leased = self.service.lease();
            if !self.services.has_changed().unwrap_or(false) {
                return leased;
            }
            self.service = self.services.borrow_and_update().clone();
        }
    }
}

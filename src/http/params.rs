//! The parameters that a web server in front sends with a FastCGI request.

use crate::exchange::Pairs;

/// The parameters of a request, from a web server or for a FastCGI upstream, as they become `$_SERVER`. A part of the request's extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(pub(super) Pairs);

//! The parameters that a web server in front sends with a FastCGI request.

use std::net::IpAddr;

use crate::exchange::Pairs;

/// The parameters of a request, from a web server or for a FastCGI upstream, as they become `$_SERVER`. A part of the request's extensions.
#[derive(Debug, Clone, Default)]
pub(super) struct Params(pub(super) Pairs);

/// The address of the web server that has sent a FastCGI request; `None` at a Unix socket. A part of the extensions, too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front(pub(super) Option<IpAddr>);

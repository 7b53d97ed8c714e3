//! Assigns each handler its document root. In most sites every request passes one `root`. The handlers after it get
//! that fixed root, so a request needs no lookup.

use std::path::{Path, PathBuf};

use super::changes::Change;
use super::handlers::{Exclusive, Handler, Root, Route};

/// Sets the root of every handler whose root is the same for every request. `start` is the root without a `root`.
pub(super) fn fix_roots(routes: &mut [Route], start: &Path) {
    follow(routes, Some(start.to_path_buf()));
}

/// The same for `handle_errors`, where a request keeps the root that it had when it failed.
pub(super) fn fix_error_roots(routes: &mut [Route]) {
    follow(routes, None);
}

/// A `root` directive sets another root. It is known only if every request passes the directive.
fn meet(root: &mut Option<PathBuf>, fixed: Option<&PathBuf>, certain: bool) {
    if root.as_ref() != fixed {
        *root = fixed.filter(|_| certain).cloned();
    }
}

/// Goes through the routes in their order. `root` is the root of the requests that reach them; `None`: it differs.
/// Returns the root behind them.
fn follow(routes: &mut [Route], mut root: Option<PathBuf>) -> Option<PathBuf> {
    // The root of requests that no `handle` has taken so far: only they reach the next `handle`.
    let mut untaken = root.clone();
    let (mut root_is_taken, mut root_may_be_taken) = (false, false);
    for route in routes {
        let always = route.matcher.is_any();
        match &mut route.handler {
            Handler::Change(Change::Root(text)) if !root_is_taken => {
                let fixed = text.as_literal().map(PathBuf::from);
                // A request takes the first of several `root` directives.
                root_is_taken = always;
                let certain = always && !root_may_be_taken;
                root_may_be_taken = true;
                [&mut root, &mut untaken].into_iter().for_each(|root| meet(root, fixed.as_ref(), certain));
            }
            Handler::Change(Change::Vars(variables)) if variables.iter().any(|(name, _)| name == "root") => {
                (root, untaken) = (None, None);
            }
            Handler::Subroute(inner) if route.exclusive == Some(Exclusive::Handle) => {
                let behind = follow(inner, untaken.clone());
                root = root.filter(|_| behind == untaken);
            }
            Handler::Subroute(inner) => {
                let behind = follow(inner, root.clone());
                if behind != root || root.is_none() {
                    root = behind.filter(|_| always);
                    untaken.clone_from(&root);
                }
            }
            Handler::PhpServer(server) | Handler::Php(server) => fix(&mut server.settings.root, root.as_deref()),
            Handler::FileServer(server) => fix(&mut server.root, root.as_deref()),
            // Responses are handled after all routes, which may have changed the root.
            handler => handler.blocks_mut().for_each(|inner| drop(follow(inner, None))),
        }
    }
    root
}

fn fix(root: &mut Root, of_request: Option<&Path>) {
    if let (Root::OfRequest, Some(path)) = (&root, of_request) {
        *root = Root::Fixed(path.to_path_buf());
    }
}

//! What matchers and placeholders ask of a request.

use std::borrow::Cow;

/// The facts of one request that a configuration can refer to. The server implements it over its own request type.
pub trait RequestView {
    /// The method as it was sent, for example `GET`.
    fn method(&self) -> &str;
    /// `http`, or `https` on an encrypted connection. What a proxy says of the client's connection is not looked at.
    fn scheme(&self) -> &str;
    /// The requested host without its port; empty when the client sent none.
    fn host(&self) -> &str;
    /// The port of the requested host, if it names one, else the port of the listener.
    fn port(&self) -> u16;
    /// The path after percent-decoding and after `.`, `..` and `//` were resolved. Matching on anything else can be
    /// walked around.
    fn path(&self) -> &str;
    /// Path and query as they were sent.
    fn uri(&self) -> &str;
    /// What follows the `?`, as it was sent; empty when there is none.
    fn query(&self) -> &str;
    /// The address of the client, without its port.
    fn remote_host(&self) -> Cow<'_, str>;
    /// The values of a header field, whose name is given in lower case.
    fn header(&self, name: &str) -> Vec<Cow<'_, str>>;
}

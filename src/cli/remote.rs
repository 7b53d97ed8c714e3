//! Sends requests to the admin interface of a running server.

use super::arguments::RemoteArguments;
use super::output::print;
use crate::config::{self, Admin};
use crate::server::admin::view::{AppView, Reloaded, Restarted, StuckView};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// How long connecting, or an answer that takes no work, may take: far more than a healthy machine needs.
const PATIENCE: Duration = Duration::from_secs(10);

/// The address of the server's admin interface.
pub(super) struct Remote {
    address: Admin,
    runtime: tokio::runtime::Runtime,
}

/// A request.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    /// Empty: none.
    pub(super) body: String,
    /// Whether the server answers only after work that may last for its grace period.
    pub(super) takes_time: bool,
}

impl Remote {
    /// Finds the address: the named one, else the configuration file's (`./Caddyfile` if none is named and it exists),
    /// else the default.
    ///
    /// # Errors
    /// The address or the file is wrong, or the file says that there is no admin interface.
    pub(super) fn find(address: Option<&str>, file: Option<&Path>) -> Result<Self, String> {
        let address = match (address, file) {
            (Some(text), _) => named(text)?,
            (None, Some(file)) => of_file(file)?,
            (None, None) if Path::new("Caddyfile").exists() => of_file(Path::new("Caddyfile"))?,
            (None, None) => Admin::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("starting the async runtime: {error}"))?;
        Ok(Self { address, runtime })
    }

    /// Sends the request, and returns the text of a successful answer.
    ///
    /// # Errors There is no answer, or the server refuses.
    pub(super) fn ask(&self, question: Question<'_>) -> Result<String, String> {
        let answer =
            self.runtime.block_on(send(&self.address, question)).map_err(|failure| failure.sentence(&self.address))?;
        let status = answer.status();
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        if status.is_success() {
            Ok(text)
        } else if is_a_sentence(&answer) {
            Err(text.trim_end().to_owned())
        } else {
            Err(Trouble::Foreign(status).sentence(&self.address))
        }
    }
}

/// Whether an answer is one that igor's interface has for people.
fn is_a_sentence(answer: &Response<Bytes>) -> bool {
    answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}

/// Whether the process with this id answers at the configuration's admin address. Without such an address this is
/// unknown.
pub(super) fn is_served_by(config: Option<&Path>, pid: u32) -> bool {
    let Ok(remote) = Remote::find(None, config) else { return true };
    let path = "/config/apps/frankenphp";
    let answer = remote.ask(Question { method: Method::GET, path, body: String::new(), takes_time: false });
    answer.is_ok_and(|answer| understood::<AppView>(&answer).is_ok_and(|app| app.pid == pid))
}

/// `igor open`: prints the address of the status page, and shows it where there is a browser.
pub(super) fn open(arguments: &RemoteArguments) -> Result<(), String> {
    let remote = Remote::find(arguments.address.as_deref(), arguments.config.as_deref())?;
    remote.ask(Question { method: Method::GET, path: "/healthz", body: String::new(), takes_time: false })?;
    let page = match &remote.address {
        Admin::Addr(address) if address.ip().is_unspecified() => format!("http://localhost:{}/", address.port()),
        Admin::Addr(address) => format!("http://{address}/"),
        other => {
            return Err(format!(
                "a browser cannot open {other}; forward a port to it: ssh -L 2019:{} HOST, and open http://localhost:2019/",
                other.to_string().trim_start_matches("unix/")
            ));
        }
    };
    print(&format!("{page}\n"))?;
    // A machine without a screen has no such program, or none that finds a browser.
    let _ =
        Command::new("xdg-open").arg(&page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    Ok(())
}

/// `igor restart`
pub(super) fn restart(arguments: &RemoteArguments) -> Result<(), String> {
    let answer = command(arguments, "/frankenphp/workers/restart", String::new(), true)?;
    let Restarted { workers, stuck } = understood(&answer)?;
    print(&format!("{workers} {} restarted\n", if workers == 1 { "worker has" } else { "workers have" }))?;
    if stuck.is_empty() { Ok(()) } else { Err(stuck.iter().map(hangs).collect::<Vec<_>>().join("\n")) }
}

fn hangs(stuck: &StuckView) -> String {
    let place = stuck.place.as_deref().unwrap_or("an unknown place");
    format!("the script of the thread {} could not be interrupted; it hangs at {place}", stuck.thread)
}

/// `igor reload`: the server reads its own file again, or the named one.
pub(super) fn reload(arguments: &RemoteArguments) -> Result<(), String> {
    let text = match &arguments.config {
        // The server would also refuse a wrong one; checked here, the errors come sooner and have the paths as they are
        // here.
        Some(file) => {
            config::load(file).map_err(|diagnostics| super::diagnosed(&diagnostics))?;
            std::fs::read_to_string(file).map_err(|error| format!("reading {}: {error}", file.display()))?
        }
        None => String::new(),
    };
    let Reloaded { warnings } = understood(&command(arguments, "/load", text, true)?)?;
    let warnings: String = warnings.iter().map(|warning| format!("{warning}\n")).collect();
    print(&format!("{warnings}the configuration was reloaded\n")).map(drop)
}

/// `igor stop`
pub(super) fn stop(arguments: &RemoteArguments) -> Result<(), String> {
    let answer = command(arguments, "/stop", String::new(), false)?;
    print(&format!("{}\n", answer.trim_end())).map(drop)
}

/// Posts, and returns the answer.
fn command(arguments: &RemoteArguments, path: &str, body: String, takes_time: bool) -> Result<String, String> {
    let remote = Remote::find(arguments.address.as_deref(), arguments.config.as_deref())?;
    remote.ask(Question { method: Method::POST, path, body, takes_time })
}

/// Reads an answer in JSON.
///
/// # Errors The answer does not have this version's format.
pub(super) fn understood<T: DeserializeOwned>(answer: &str) -> Result<T, String> {
    serde_json::from_str(answer).map_err(|error| format!("the answer is not that of this version of igor: {error}"))
}

fn named(text: &str) -> Result<Admin, String> {
    let bare = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    match Admin::parse(bare) {
        Some(admin) if admin != Admin::Off => Ok(admin),
        _ => Err(format!(
            "`{text}` is no address of an admin interface; write `localhost:2019`, an IP with a port, or `unix/` and an \
             absolute path"
        )),
    }
}

fn of_file(file: &Path) -> Result<Admin, String> {
    let otherwise = "name the address by --address or IGOR_ADMIN";
    let config = config::load(file)
        .map_err(|diagnostics| format!("{}\n{otherwise} to do without the file", super::diagnosed(&diagnostics)))?;
    match config.global.admin.unwrap_or_default() {
        Admin::Off => Err(format!(
            "{} says `admin off`: a server that runs it cannot be asked; if another one is meant, {otherwise}",
            file.display()
        )),
        Admin::Addr(address) if address.port() == 0 => Err(format!(
            "{} lets the server choose the port: its log record `admin listening` has it; {otherwise}",
            file.display()
        )),
        admin => Ok(admin),
    }
}

/// An error in the exchange with the server.
enum Trouble {
    Connect(io::Error),
    Silent,
    Http(hyper::Error),
    Foreign(StatusCode),
    Request(http::Error),
}

impl Trouble {
    fn sentence(&self, address: &Admin) -> String {
        let asking = format!("asking the admin interface at {address}");
        match self {
            Self::Connect(error) => format!(
                "{asking}: {error}. Does the server run? Its log record `admin listening` says where its interface is; \
                 name that by --address or IGOR_ADMIN"
            ),
            Self::Silent => format!("{asking}: no answer within {} s", PATIENCE.as_secs()),
            Self::Http(error) => format!("{asking}: {error}; is it igor that listens there?"),
            Self::Foreign(status) => format!(
                "{asking}: the answer is {status} of another program. Igor's log record `admin listening` says where its \
                 interface is; name that by --address or IGOR_ADMIN"
            ),
            Self::Request(error) => format!("{asking}: {error}"),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn send(address: &Admin, question: Question<'_>) -> Result<Response<Bytes>, Trouble> {
    let stream = in_time(connect(address)).await?.map_err(Trouble::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Trouble::Http)?;
    // The caller that waits for the answer gets its errors.
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = Request::builder()
        .method(question.method)
        .uri(question.path)
        .header(HOST, Host(address).to_string())
        .header(CONTENT_TYPE, "text/caddyfile")
        .body(Full::new(Bytes::from(question.body)))
        .map_err(Trouble::Request)?;
    let answering = async {
        let (head, body) = sender.send_request(request).await.map_err(Trouble::Http)?.into_parts();
        let body = body.collect().await.map_err(Trouble::Http)?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    let answer = if question.takes_time { answering.await } else { in_time(answering).await? };
    connection.abort();
    answer
}

async fn connect(address: &Admin) -> io::Result<Box<dyn Stream>> {
    Ok(match address {
        Admin::Addr(address) => Box::new(TcpStream::connect(address).await?),
        Admin::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Admin::Off => return Err(io::ErrorKind::NotConnected.into()),
    })
}

async fn in_time<T>(future: impl Future<Output = T>) -> Result<T, Trouble> {
    tokio::time::timeout(PATIENCE, future).await.map_err(|_| Trouble::Silent)
}

/// The value of `Host`.
struct Host<'a>(&'a Admin);

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Admin::Addr(address) => address.fmt(f),
            Admin::Unix(_) | Admin::Off => f.write_str("localhost"),
        }
    }
}

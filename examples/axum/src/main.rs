//! An axum server with PHP mounted in it: `/rust` is answered here, every other path by the site of the Caddyfile.
//!
//! Arguments: the address to listen on, by default `127.0.0.1:8080`, and a Caddyfile, by default that of this folder. Ctrl-C
//! ends the server.

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use igor_php::http::connection::ConnectionInfo;
use igor_php::http::service::HttpService;
use igor_php::{config, embed::Mounted};
use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let caddyfile =
        arguments.next().map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("Caddyfile"), PathBuf::from);
    let config = config::load(&caddyfile).map_err(|errors| {
        let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;

    // PHP first: its engine stays on this thread, and starts before there are others.
    let php = Mounted::start(config)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = runtime.block_on(serve(&address, php.service()));
    drop(runtime);
    php.stop()?;
    Ok(served?)
}

async fn serve(address: &str, php: HttpService) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    let app = Router::new()
        .route("/rust", get(|| async { "from Rust\n" }))
        .fallback_service(php)
        .layer(middleware::from_fn_with_state(local, tell_connection));
    println!("listening on http://{local}");
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async {
            // Without the signal, the server could not be ended in order: it ends at once.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await
}

/// Passes PHP the client: `REMOTE_ADDR`, `SERVER_PORT` and the like.
async fn tell_connection(
    State(local): State<SocketAddr>,
    ConnectInfo(remote): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    request.extensions_mut().insert(ConnectionInfo { remote, local, tls: false });
    next.run(request).await
}

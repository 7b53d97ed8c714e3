//! Where sites listen: Unix sockets, sockets of the service manager, `default_bind`.

use super::common::{DEADLINE, Igor, Server, free_address, igor};
use rustix::process::Signal;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

/// The whole answer to a request on a connection of its own.
fn ask(mut stream: impl Read + Write, host: &str) -> String {
    write!(stream, "GET /eval.php HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn at_socket(path: &Path, host: &str) -> String {
    let stream = UnixStream::connect(path).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    ask(stream, host)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the socket").permissions().mode() & 0o777
}

const ADDRESS: &str = "<?php echo $_SERVER['SERVER_NAME'], ' ', $_SERVER['REMOTE_ADDR'];";

/// Two sites at one socket: the host selects, as everywhere. A reload changes the permissions.
#[test]
fn sites_listen_at_a_unix_socket() {
    let php = "root {$DIR}\nphp_server\n";
    let server = Igor::new()
        .file("eval.php", ADDRESS)
        .site("respond tcp")
        .socket_site(&format!("http://a.test {{\nbind unix/{{$DIR}}/site.sock|0640\n{php}}}\n"))
        .socket_site("http://b.test {\nbind unix/{$DIR}/site.sock\nrespond other\n}\n")
        .start();
    let socket = server.path("site.sock");
    server.wait_log(&["listening", "site.sock"]);
    assert_eq!(mode(&socket), 0o640);
    let answer = at_socket(&socket, "a.test");
    assert!(answer.ends_with("a.test 0.0.0.0"), "{answer}");
    assert!(at_socket(&socket, "b.test").ends_with("other"));
    assert!(server.get("/").text().ends_with("tcp"), "and no other site's address is taken");

    let caddyfile = server.path("Caddyfile");
    let text = fs::read_to_string(&caddyfile).expect("the configuration");
    fs::write(&caddyfile, text.replace("|0640", "|0600")).expect("files can be written");
    server.signal(Signal::HUP);
    server.wait_log(&["the configuration was reloaded"]);
    assert_eq!(mode(&socket), 0o600);
    assert!(at_socket(&socket, "b.test").ends_with("other"));
    server.stop();
    assert!(!socket.exists(), "the file goes with the server");
}

/// The web server in front has no address, so no range of addresses can name it.
#[test]
fn peers_of_unix_sockets_may_be_trusted() {
    for (option, client) in [("", "0.0.0.0"), ("servers {\ntrusted_proxies_unix\n}", "203.0.113.9")] {
        let site = "http://a.test {\nbind unix/{$DIR}/site.sock\nrespond \"client {client_ip}\"\n}\n";
        let server = Igor::new().global(option).site("respond tcp").socket_site(site).start();
        server.wait_log(&["listening", "site.sock"]);
        let answer = at_socket(&server.path("site.sock"), "a.test\r\nX-Forwarded-For: 203.0.113.9");
        assert!(answer.ends_with(&format!("client {client}")), "{answer}");
    }
}

/// Each has its own reason and way out, and a file that is someone's is left alone.
#[test]
fn a_unix_socket_that_cannot_be_had() {
    let fails = |igor: Igor, line: &str| {
        igor.site("respond tcp").socket_site(&format!("http://a.test {{\n{line}\nrespond x\n}}\n")).start_fails()
    };
    let stopped = fails(Igor::new().file("site.sock", "notes"), "bind unix/{$DIR}/site.sock");
    assert!(!stopped.status.success() && stopped.log.contains("no socket has this name"), "{}", stopped.log);

    let igor = Igor::new();
    let _other = UnixListener::bind(igor.path("site.sock")).expect("a socket");
    let stopped = fails(igor, "bind unix/{$DIR}/site.sock");
    assert!(stopped.log.contains("/site.sock: ") && stopped.log.contains("ss -lxp"), "{}", stopped.log);

    let stopped = fails(Igor::new(), "bind unix/{$DIR}/missing/site.sock");
    assert!(stopped.log.contains("make its folder first"), "{}", stopped.log);
    let stopped = fails(Igor::new(), "bind fd/3");
    assert!(stopped.log.contains("fd/3") && stopped.log.contains("socket unit"), "{}", stopped.log);
}

#[test]
fn default_bind_is_for_sites_without_their_own() {
    let server = Igor::new()
        .global("default_bind unix/{$DIR}/default.sock")
        .site("bind 127.0.0.1\nrespond own")
        .socket_site("http://a.test {\nrespond default\n}\n")
        .start();
    server.wait_log(&["listening", "default.sock"]);
    assert!(at_socket(&server.path("default.sock"), "a.test").ends_with("default"));
    assert!(server.get("/").text().ends_with("own"));
}

/// Starts igor as systemd would, with these sockets from descriptor 3 on.
fn activated(first: OwnedFd, names: &str, text: &str) -> Server {
    let dir = tempfile::tempdir().expect("a temporary folder can be made");
    fs::write(dir.path().join("Caddyfile"), text).expect("files can be written");
    let mut command = Command::new("sh");
    // The shell moves its standard input to 3, and becomes igor, so that the process is the one that LISTEN_PID names.
    command.arg("-c").arg("exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\"").arg("sh");
    command.arg(igor().get_program()).arg("run").arg("--config").arg(dir.path().join("Caddyfile"));
    command.env("LISTEN_FDNAMES", names).stdin(first);
    Server::spawn(command, dir)
}

fn at_address(address: SocketAddr) -> String {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    ask(stream, "a.test")
}

/// By its descriptor and by its name. A site that drops it and takes it again by reloads finds it open.
#[test]
fn a_socket_of_the_service_manager_is_taken() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("an address");
    let with = |site: &str| format!("{{\nadmin off\n}}\nhttp://a.test {{\n{site}\nrespond activated\n}}\n");
    let server = activated(socket.into(), "web", &with("bind fd/3"));
    server.wait_log(&["listening", "fd/3"]);
    assert!(at_address(address).ends_with("activated"));

    let (mut rounds, caddyfile) = (0, server.path("Caddyfile"));
    for site in ["bind unix/{$DIR}/other.sock", "bind fd/web"] {
        fs::write(&caddyfile, with(site)).expect("files can be written");
        server.signal(Signal::HUP);
        rounds += 1;
        server.log.wait("the reload", |lines| {
            (lines.iter().filter(|line| line.contains("the configuration was reloaded")).count() == rounds)
                .then_some(())
        });
    }
    assert!(at_address(address).ends_with("activated"));
    server.stop();
}

#[test]
fn what_the_service_manager_has_opened_must_be_a_listening_socket() {
    let text = "{\nadmin off\n}\nhttp://a.test {\nbind fd/3\nrespond x\n}\n";
    let file = fs::File::open("/dev/null").expect("a file");
    let stopped = activated(file.into(), "", text).ended();
    assert!(!stopped.status.success() && stopped.log.contains("listening on fd/3"), "{}", stopped.log);
}

/// As in Caddy; it was encrypted, without any certificate.
#[test]
fn the_port_of_https_without_a_host_is_plain_http_under_auto_https_off() {
    let port = free_address().port();
    let site = format!(":{port} {{\nbind 127.0.0.1\nrespond ok\n}}\n");
    let server = Igor::new().global(&format!("auto_https off\nhttps_port {port}")).raw_site(&site).start();
    assert_eq!(server.get("/").text(), "ok");
    server.wait_log(&[&format!("`:{port}` is served by plain HTTP, because `auto_https` is `off`")]);
}

/// As in Caddy; everything behind the imported sites was refused.
#[test]
fn the_last_site_needs_no_braces() {
    let server = Igor::new()
        .file("conf.d/pad.caddy", "http://pad.test {\n\tbind unix/{$DIR}/pad.sock\n\trespond pad\n}\n")
        .caddyfile(
            "{\n\tadmin off\n}\nimport conf.d/*.caddy\n\nhttp://127.0.0.1:0\n\nlog\n\nroute {\n\trespond last\n}\n",
        )
        .start();
    assert_eq!(server.get("/").text(), "last");
    server.wait_log(&["listening", "pad.sock"]);
    assert!(at_socket(&server.path("pad.sock"), "pad.test").ends_with("pad"));
}

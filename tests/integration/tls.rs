//! Encryption, as real clients see it: curl, and OpenSSL's own.

use super::common::{Connection, Cost, Igor, Request, Server, free_address, output_of, wait_until};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Arc;

/// Makes a certificate for the names and its key in the folder of a server.
fn certificate(igor: &Igor, name: &str, names: &str, days: &str) {
    let path = |extension: &str| igor.path(&format!("{name}.{extension}"));
    output_of(
        Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", days])
            .args(["-subj", &format!("/CN={name}"), "-addext", &format!("subjectAltName={names}")])
            // A client that shows the certificate of an authority as its own is refused.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(path("key"))
            .arg("-out")
            .arg(path("crt")),
    );
}

fn curl(server: &Server, host: &str, more: &[&str]) -> Output {
    let address = server.address();
    Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"])
        .args(["--connect-to", &format!("{host}:443:{}:{}", address.ip(), address.port())])
        .args(["--write-out", "\n%{http_version} %{http_code}"])
        .args(more)
        .arg(format!("https://{host}/hello.php"))
        .output()
        .expect("curl can be run")
}

/// The last line of what curl printed, and whether the page came.
fn seen(output: &Output) -> (String, bool) {
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default().to_owned();
    (last, text.contains("Hello"))
}

fn with_files(names: &str) -> Igor {
    let igor = Igor::new().file("public/hello.php", "<?php echo 'Hello ', $_SERVER['HTTPS'];");
    certificate(&igor, "site", names, "30");
    igor
}

const SITE: &str = "tls {$DIR}/site.crt {$DIR}/site.key\nroot {$DIR}/public\nphp_server";

#[test]
fn a_site_with_certificate_files_speaks_both_versions_of_http() {
    let igor = with_files("DNS:a.example,DNS:*.b.example");
    let server = igor.https(&[("a.example, www.b.example", SITE)]).start();
    let root = server.path("site.crt").display().to_string();
    let trusting = ["--cacert", root.as_str()];
    for host in ["a.example", "www.b.example"] {
        assert_eq!(seen(&curl(&server, host, &trusting)), ("2 200".to_owned(), true), "{host}");
        let old = curl(&server, host, &["--cacert", &root, "--http1.1"]);
        assert_eq!(seen(&old), ("1.1 200".to_owned(), true), "{host}");
        let old = curl(&server, host, &["--cacert", &root, "--tls-max", "1.2"]);
        assert_eq!(seen(&old), ("2 200".to_owned(), true), "{host}");
    }
    let stranger = curl(&server, "c.example", &["--insecure"]);
    assert_eq!(stranger.status.code(), Some(35), "the handshake fails: {stranger:?}");
}

/// `{tls_version}` and the others were empty, and scripts had no `SSL_PROTOCOL`.
#[test]
fn a_request_knows_how_its_connection_is_encrypted() {
    let igor =
        Igor::new().file("public/hello.php", "<?php echo $_SERVER['SSL_PROTOCOL'], ' ', $_SERVER['SSL_CIPHER'];");
    certificate(&igor, "site", "DNS:a.example", "30");
    certificate(&igor, "client", "DNS:client.example,email:a@client.example", "30");
    let guarded = SITE.replacen(".key\n", ".key {\nclient_auth {\nmode request\n}\n}\n", 1);
    let of_connection = "{tls_version} {tls_cipher} {http.request.tls.proto} {http.request.tls.server_name}";
    let of_client = "{tls_client_subject} {tls_client_fingerprint} {http.request.tls.client.san.dns_names.0} \
                     {http.request.tls.client.san.emails}";
    let headers = format!("header X-Connection \"{of_connection}\"\nheader X-Client \"{of_client}\"\n");
    let server = igor.https(&[("a.example", &format!("{headers}{guarded}"))]).start();
    let path = |name: &str| server.path(name).display().to_string();
    let (root, own, key) = (path("site.crt"), path("client.crt"), path("client.key"));
    let fingerprint =
        output_of(Command::new("openssl").args(["x509", "-noout", "-fingerprint", "-sha256", "-in", &own]));
    let fingerprint = fingerprint.trim().rsplit('=').next().unwrap_or_default().replace(':', "").to_lowercase();
    let asked = |more: &[&str]| {
        let output = curl(&server, "a.example", &[&["--include", "--cacert", &root], more].concat());
        String::from_utf8_lossy(&output.stdout).to_lowercase()
    };
    let shown = asked(&["--cert", &own, "--key", &key, "--tls13-ciphers", "TLS_AES_128_GCM_SHA256"]);
    assert!(shown.contains("x-connection: tls1.3 tls_aes_128_gcm_sha256 h2 a.example\r\n"), "{shown}");
    assert!(shown.contains("\r\n\r\ntlsv1.3 tls_aes_128_gcm_sha256"), "{shown}");
    let of_client = format!("x-client: cn=client {fingerprint} client.example [a@client.example]\r\n");
    assert!(shown.contains(&of_client), "{of_client} is not in {shown}");
    let without = asked(&["--http1.1", "--tls-max", "1.2"]);
    assert!(
        without.contains("x-connection: tls1.2 tls_ecdhe_ecdsa_with_") && without.contains(" http/1.1 a.example\r\n")
    );
    assert!(without.contains("x-client:") && !without.contains("cn=client"), "{without}");
}

/// An address that is a port alone says nothing of encryption; its site was served in the clear, with a warning.
#[test]
fn a_port_with_certificate_files_speaks_https_only() {
    let port = free_address().port();
    let site = format!(":{port} {{\nbind 127.0.0.1\n{SITE}\n}}\n");
    let server = with_files("DNS:a.example").raw_site(&site).start();
    let root = server.path("site.crt").display().to_string();
    assert_eq!(seen(&curl(&server, "a.example", &["--cacert", &root])), ("2 200".to_owned(), true));
    let answer = Connection::open(server.address()).send(&Request::get("/hello.php"));
    assert_eq!((answer.status, answer.text().contains("speaks HTTPS")), (400, true));
}

/// The PROXY protocol comes before the handshake, and only from a trusted peer.
#[test]
fn a_proxy_in_front_of_an_encrypted_site() {
    for (allowed, code) in [("127.0.0.0/8", Some(0)), ("192.0.2.0/24", Some(35))] {
        let server = with_files("DNS:a.example")
            .global(&format!("servers {{\nlistener_wrappers {{\nproxy_protocol {{\nallow {allowed}\n}}\ntls\n}}\n}}"))
            .https(&[("a.example", SITE)])
            .start();
        let root = server.path("site.crt").display().to_string();
        let output = curl(&server, "a.example", &["--cacert", &root, "--haproxy-protocol"]);
        assert_eq!(output.status.code(), code, "{allowed}: {output:?}");
        assert_eq!(seen(&output).1, code == Some(0));
    }
}

/// The first bytes of the client may be in one segment with the header.
#[test]
fn what_follows_a_proxy_header_at_once_is_read() {
    let server = with_files("DNS:a.example")
        .global("servers {\nlistener_wrappers {\nproxy_protocol {\nallow 127.0.0.0/8\n}\ntls\n}\n}")
        .https(&[("a.example", SITE)])
        .start();
    let mut stream = TcpStream::connect(server.address()).expect("the server listens");
    let together = b"PROXY TCP4 192.0.2.7 192.0.2.1 7 443\r\nGET / HTTP/1.1\r\n\r\n";
    stream.write_all(together).expect("the server reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the server answers");
    assert!(answer.contains("This port speaks HTTPS"), "{answer:?}");
}

#[test]
fn the_internal_authority_signs_for_local_names_and_keeps_its_key_secret() {
    let igor = Igor::new().file("public/hello.php", "<?php echo 'Hello';");
    let page = "root {$DIR}/public\nphp_server";
    let inside = format!("tls internal\n{page}");
    let server = igor.https(&[("localhost", page), ("shop.example", &inside)]).start();
    let root = server.path("data/pki/authorities/local/root.crt").display().to_string();
    for host in ["localhost", "shop.example"] {
        assert_eq!(seen(&curl(&server, host, &["--cacert", &root])), ("2 200".to_owned(), true), "{host}");
    }
    let key = std::fs::metadata(server.path("data/pki/authorities/local/root.key")).expect("the key");
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    let again = Command::new(env!("CARGO_BIN_EXE_igor"))
        .args(["validate", "--config"])
        .arg(server.path("Caddyfile"))
        .env("DIR", server.dir())
        .env("PHP_TESTS", server.dir())
        .output()
        .expect("igor can be run");
    assert!(again.status.success(), "{again:?}");
    let log = server.stop().log;
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[test]
fn a_replaced_certificate_is_shown_soon_and_a_wrong_one_is_not() {
    let igor = with_files("DNS:a.example");
    certificate(&igor, "next", "DNS:a.example", "40");
    certificate(&igor, "other", "DNS:a.example", "40");
    let server = igor.https(&[("a.example", SITE)]).start();
    let copy = |from: &str, to: &str| {
        std::fs::copy(server.path(from), server.path("new")).expect("a copy");
        std::fs::rename(server.path("new"), server.path(to)).expect("a file in its place");
    };
    // The key does not belong to the certificate yet.
    copy("next.key", "site.key");
    server.wait_log(&["is not used yet", "does not belong to the certificate"]);
    let old = server.path("site.crt").display().to_string();
    assert_eq!(seen(&curl(&server, "a.example", &["--cacert", &old])), ("2 200".to_owned(), true));
    copy("next.crt", "site.crt");
    server.wait_log(&["the certificate was replaced"]);
    let new = server.path("next.crt").display().to_string();
    wait_until("the new certificate", || {
        seen(&curl(&server, "a.example", &["--cacert", &new])) == ("2 200".to_owned(), true)
    });
}

#[test]
fn files_that_are_no_pair_are_refused_with_their_names() {
    let start = |prepare: &dyn Fn(&Igor)| {
        let igor = with_files("DNS:a.example");
        prepare(&igor);
        let stopped = igor.https(&[("a.example", SITE)]).start_fails();
        assert!(!stopped.status.success());
        stopped.log
    };
    let mismatch = start(&|igor| {
        certificate(igor, "other", "DNS:a.example", "30");
        std::fs::copy(igor.path("other.key"), igor.path("site.key")).expect("a copy");
    });
    assert!(mismatch.contains("site.key does not belong to the certificate in "), "{mismatch}");
    let no_key = start(&|igor| {
        std::fs::copy(igor.path("site.crt"), igor.path("site.key")).expect("a copy");
    });
    assert!(no_key.contains("site.key holds no private key in the form PEM"), "{no_key}");
    let nonsense = start(&|igor| std::fs::write(igor.path("site.crt"), "nonsense").expect("a file"));
    assert!(nonsense.contains("site.crt holds no certificate in the form PEM"), "{nonsense}");
    for log in [mismatch, no_key, nonsense] {
        assert!(log.contains("the certificate of a.example:0: "), "{log}");
    }
}

#[test]
fn an_expired_certificate_is_used_with_a_warning() {
    let igor = with_files("DNS:a.example");
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).expect("a name");
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(2024, 1, 1), rcgen::date_time_ymd(2024, 3, 31));
    let expired = params.self_signed(&key).expect("a certificate");
    std::fs::write(igor.path("site.crt"), expired.pem()).expect("a file");
    std::fs::write(igor.path("site.key"), key.serialize_pem()).expect("a file");
    let server = igor.https(&[("a.example", SITE)]).start();
    server.wait_log(&["site.crt", "has expired, and clients refuse it"]);
    assert_eq!(seen(&curl(&server, "a.example", &["--insecure"])), ("2 200".to_owned(), true));
}

#[test]
fn clients_without_a_trusted_certificate_are_refused_and_no_other_name_leads_past_that() {
    let igor = with_files("DNS:a.example,DNS:b.example");
    certificate(&igor, "client", "DNS:somebody", "30");
    certificate(&igor, "stranger", "DNS:somebody", "30");
    let guarded = format!(
        "tls {{$DIR}}/site.crt {{$DIR}}/site.key {{\nclient_auth {{\ntrusted_ca_cert_file {{$DIR}}/client.crt\n}}\n}}\n{}",
        "root {$DIR}/public\nphp_server"
    );
    let server = igor.https(&[("a.example", &guarded), ("b.example", SITE)]).start();
    let path = |name: &str| server.path(name).display().to_string();
    let (cert, key) = (path("client.crt"), path("client.key"));
    let known = ["--insecure", "--cert", &cert, "--key", &key];
    assert_eq!(seen(&curl(&server, "a.example", &known)), ("2 200".to_owned(), true));
    let (cert, key) = (path("stranger.crt"), path("stranger.key"));
    for more in [vec!["--insecure"], vec!["--insecure", "--cert", &cert, "--key", &key]] {
        let refused = curl(&server, "a.example", &more);
        assert!(!refused.status.success(), "{refused:?}");
    }
    let past = curl(&server, "b.example", &["--insecure", "--header", "Host: a.example"]);
    assert_eq!(seen(&past), ("2 421".to_owned(), false));
    assert_eq!(seen(&curl(&server, "b.example", &["--insecure"])), ("2 200".to_owned(), true));
}

/// The certificate of a PEM file as DER in base64.
fn in_one_line(igor: &Igor, name: &str) -> String {
    let pem = std::fs::read_to_string(igor.path(&format!("{name}.crt"))).expect("a certificate");
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

/// Which of these are served: a client without a certificate, a known one, a stranger.
fn served(client_auth: &str) -> [bool; 3] {
    let igor = with_files("DNS:a.example");
    certificate(&igor, "client", "DNS:somebody", "30");
    certificate(&igor, "stranger", "DNS:somebody", "30");
    let client_auth = client_auth.replace("CLIENT", &in_one_line(&igor, "client"));
    let guarded = SITE.replacen(".key\n", &format!(".key {{\nclient_auth {{\n{client_auth}\n}}\n}}\n"), 1);
    let server = igor.https(&[("a.example", &guarded)]).start();
    ["", "client", "stranger"].map(|name| {
        let path = |extension: &str| server.path(&format!("{name}.{extension}")).display().to_string();
        let (cert, key) = (path("crt"), path("key"));
        let own = ["--insecure", "--cert", &cert, "--key", &key];
        seen(&curl(&server, "a.example", if name.is_empty() { &own[..1] } else { &own })).1
    })
}

#[test]
fn the_modes_decide_who_must_show_a_certificate_and_who_signs_it() {
    let authority = "trusted_ca_cert_file {$DIR}/client.crt";
    for (mode, expected) in [
        ("request", [true, true, true]),
        ("require", [false, true, true]),
        ("verify_if_given", [true, true, false]),
        ("require_and_verify", [false, true, false]),
    ] {
        assert_eq!(served(&format!("mode {mode}\n{authority}")), expected, "{mode}");
    }
}

#[test]
fn trusted_certificates_are_written_in_all_spellings() {
    for spelling in [
        "trusted_ca_cert CLIENT",
        "trust_pool file {$DIR}/client.crt",
        "trust_pool file {\npem_file {$DIR}/client.crt\n}",
        "trust_pool inline {\ntrust_der CLIENT\n}",
        "trusted_leaf_cert CLIENT",
        "trusted_leaf_cert_file {$DIR}/client.crt",
        "mode require\ntrusted_leaf_cert_file {$DIR}/client.crt",
        // Signed by one authority, but not one of the leaves.
        "trusted_ca_cert_file {$DIR}/client.crt {$DIR}/stranger.crt\ntrusted_leaf_cert CLIENT",
    ] {
        assert_eq!(served(spelling), [false, true, false], "{spelling}");
    }
    let guarded = SITE.replacen(".key\n", ".key {\nclient_auth {\ntrusted_ca_cert bm9uc2Vuc2U=\n}\n}\n", 1);
    let log = with_files("DNS:a.example").https(&[("a.example", &guarded)]).start_fails().log;
    assert!(log.contains("the trusted certificate `bm9uc2Vuc2U=…`: there is no certificate in it"), "{log}");
}

#[test]
fn plain_http_is_redirected_and_told_where_tls_is_spoken() {
    let free = free_address().port();
    let igor = with_files("DNS:a.example").https(&[("a.example", SITE)]).global(&format!("http_port {free}"));
    // `https` has switched them off.
    let server = igor.replace_global("auto_https disable_redirects", "").start();
    server.wait_log(&[": listening ", &format!("address=127.0.0.1:{free}")]);
    let port = server.log.wait("the encrypted socket", |lines| {
        let line = lines.iter().find(|line| line.contains("encrypted=true"))?;
        line.split_once("address=127.0.0.1:")?.1.split_whitespace().next()?.parse::<u16>().ok()
    });
    let mut plain = Connection::open(([127, 0, 0, 1], free).into());
    let answer = plain.send(&Request::get("/a?b=c").header("host", "a.example"));
    assert_eq!((answer.status, answer.header("location")), (308, Some("https://a.example:0/a?b=c")));
    let mut wrong = Connection::open(([127, 0, 0, 1], port).into());
    let answer = wrong.send(&Request::get("/"));
    assert_eq!((answer.status, answer.text().contains("speaks HTTPS")), (400, true));
}

/// W2 over HTTP/2: an answer that is shorter than announced was nothing but a reset of its stream.
#[test]
fn an_answer_over_http2_that_is_shorter_than_announced_is_sent_as_far_as_it_goes() {
    let igor = Igor::new()
        .file("short.php", "<?php header('Content-Length: 10'); echo 'abc';")
        .file("dies.php", "<?php header('Content-Length: 10'); echo 'abc'; flush(); undefined();");
    let server = igor.https(&[("localhost", "tls internal\nroot {$DIR}\nphp_server")]).start();
    for page in ["short.php", "dies.php"] {
        let url = format!("https://localhost:{}/{page}", server.address().port());
        let output = Command::new("curl")
            .args(["--silent", "--insecure", "--http2", "--max-time", "30", "--include", "--resolve"])
            .arg(format!("localhost:{}:127.0.0.1", server.address().port()))
            .arg(url)
            .output()
            .expect("curl can be run");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with("HTTP/2 ") && text.ends_with("\r\n\r\nabc"), "{page}: {text}");
        assert!(!output.status.success(), "{page}: the client sees that something is missing");
    }
}

/// The first message of a client, as it goes over the wire.
fn client_hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = "a.example".try_into().expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("its first message");
    hello
}

/// Strangers who cut their first message off at any byte, and wait; and others whose lengths lie.
#[test]
fn hundreds_of_unfinished_handshakes_disturb_no_one() {
    let server = with_files("DNS:a.example").https(&[("a.example", SITE)]).start();
    let root = server.path("site.crt").display().to_string();
    let served = || seen(&curl(&server, "a.example", &["--cacert", &root])) == ("2 200".to_owned(), true);
    assert!(served());
    let hello = client_hello();
    // `make attacks` asks for more than the files that a process may usually open.
    let many = std::env::var("ATTACK_HANDSHAKES")
        .map_or(400, |many| many.parse::<usize>().expect("ATTACK_HANDSHAKES is a number"));
    let attack = Cost::of(&server, format!("{many} unfinished handshakes"));
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(server.address()).expect("the server listens");
        let _ = stream.write_all(bytes);
        stream
    };
    let empty_records = [22, 3, 1, 0, 0].repeat(1000);
    // A record larger than any, a message of 16 MiB in one of 4 bytes, and an alert in its place.
    let lies: [&[u8]; 4] =
        [&[22, 3, 1, 0xff, 0xff, 1], &[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], &[21, 3, 1, 0, 2, 1, 90], &empty_records];
    let open: Vec<TcpStream> = (1..many).map(|cut| connect(&hello[..cut % hello.len()])).collect();
    let liars: Vec<TcpStream> = lies.iter().cycle().take(100).map(|lie| connect(lie)).collect();
    assert!(served());
    let grown = attack.grown();
    assert!(grown < (open.len() + liars.len()) * 48 * 1024, "{} KiB more than before", grown >> 10);
    drop((open, liars));
    assert!(served());
    attack.end();
}

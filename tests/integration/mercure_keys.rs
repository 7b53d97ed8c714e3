//! Tokens that are verified by a set of public keys, as identity providers publish them.

use crate::common::{Igor, Server, free_address, wait_until};
use crate::mercure::{encoded, publish};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    RsaPublicKeyComponents,
};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A token with this head, signed by `sign`.
fn token(head: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", encoded(head.to_string()), encoded(r#"{"mercure":{"publish":["*"]}}"#));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", encoded(signature))
}

/// A key on the curve P-256.
struct Curve(EcdsaKeyPair);

impl Curve {
    fn new() -> Self {
        let der = rcgen::KeyPair::generate().expect("a key for ES256").serialize_der();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new());
        Self(pair.expect("the key can sign"))
    }

    fn jwk(&self, id: &str) -> Value {
        let point = self.0.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
    }

    fn token(&self, id: Option<&str>) -> String {
        let mut head = json!({"alg": "ES256"});
        if let Some(id) = id {
            head["kid"] = json!(id);
        }
        token(&head, |message| self.0.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec())
    }
}

/// A key for RSA.
struct Rsa(RsaKeyPair);

impl Rsa {
    fn new() -> Self {
        let made = Command::new("openssl").args(["genpkey", "-algorithm", "RSA", "-outform", "DER"]).output();
        let der = made.expect("openssl can be started").stdout;
        // The form differs between versions of OpenSSL.
        let pair = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
        Self(pair.expect("the key can sign"))
    }

    fn jwk(&self, id: &str) -> Value {
        let numbers: RsaPublicKeyComponents<Vec<u8>> = self.0.public().into();
        json!({"kty": "RSA", "kid": id, "n": encoded(numbers.n), "e": encoded(numbers.e)})
    }

    fn token(&self, id: &str, algorithm: &str) -> String {
        let padding: &'static dyn RsaEncoding = if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        token(&json!({"alg": algorithm, "kid": id}), |message| {
            let mut signature = vec![0; self.0.public().modulus_len()];
            self.0.sign(padding, &SystemRandom::new(), message, &mut signature).expect("a signature");
            signature
        })
    }
}

fn set(keys: &[Value]) -> String {
    json!({"keys": keys}).to_string()
}

fn hub(url: &str) -> Igor {
    Igor::new().site(&format!("mercure {{\nanonymous\npublisher_jwks_url {url}\n}}"))
}

fn status(server: &Server, token: &str) -> u16 {
    publish(server, token, "topic=a&data=x").status
}

/// Replaces a file in one step, as a provider's server would.
fn replace(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, file)).expect("a file in its place");
}

/// A server that publishes this set.
fn provider(text: &str) -> Igor {
    Igor::new().file("public/keys.json", text).site("root {$DIR}/public\nfile_server")
}

#[test]
fn keys_of_a_provider() {
    let (curve, rsa, named) = (Curve::new(), Rsa::new(), Rsa::new());
    let mut of_named = named.jwk("named");
    of_named["alg"] = json!("RS256");
    let mut for_encryption = curve.jwk("encryption");
    for_encryption["use"] = json!("enc");
    let secret = json!({"kty": "oct", "kid": "secret", "k": encoded("a shared secret")});
    let unknown = json!({"kty": "AKP", "kid": "future", "pub": "x"});
    let keys = [curve.jwk("curve"), rsa.jwk("rsa"), of_named, for_encryption, secret, unknown, json!(1)];
    let provider = provider(&set(&keys)).start();
    let server = hub(&format!("http://{}/keys.json?token=hidden", provider.address())).start();
    let by_secret = |id: &str, key: &[u8]| {
        token(&json!({"alg": "HS256", "kid": id}), |message| {
            ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key), message).as_ref().to_vec()
        })
    };
    for (what, token, expected) in [
        ("a curve", curve.token(Some("curve")), 200),
        ("RSA", rsa.token("rsa", "RS256"), 200),
        ("RSA with PSS", rsa.token("rsa", "PS256"), 200),
        ("the algorithm of the set", named.token("named", "RS256"), 200),
        ("another algorithm than the set's", named.token("named", "PS256"), 401),
        ("another key", rsa.token("named", "RS256"), 401),
        ("an unknown name", curve.token(Some("other")), 401),
        ("no name, and one key that fits", curve.token(None), 200),
        ("a key for encryption", curve.token(Some("encryption")), 401),
        ("a shared secret in the set", by_secret("secret", b"a shared secret"), 401),
        ("a public key as a secret", by_secret("curve", curve.0.public_key().as_ref()), 401),
        ("alg none", token(&json!({"alg": "none", "kid": "curve"}), |_| Vec::new()), 401),
    ] {
        assert_eq!(status(&server, &token), expected, "{what}");
    }
    let other = Curve::new();
    replace(&provider.path("public/keys.json"), &set(&[other.jwk("other"), rsa.jwk("rsa"), curve.jwk("twin")]));
    wait_until("the new key is known", || status(&server, &other.token(Some("other"))) == 200);
    assert_eq!(status(&server, &curve.token(Some("curve"))), 401, "a key that is withdrawn");
    assert_eq!(status(&server, &curve.token(None)), 401, "no name, and two keys that fit");
    drop(provider);
    assert_eq!(status(&server, &rsa.token("rsa", "RS256")), 200, "without the provider the keys stay");
    let log = server.stop().log;
    assert!(!log.contains("hidden") && !log.contains("eyJ"), "{log}");
}

#[test]
fn a_provider_that_comes_later() {
    let (curve, address) = (Curve::new(), free_address());
    let server = hub(&format!("http://{address}/keys.json")).start();
    assert_eq!(status(&server, &curve.token(Some("a"))), 401);
    server.wait_log(&["reading the keys of tokens", &format!("http://{address}/keys.json")]);
    let site = format!("http://{address} {{\nroot {{$DIR}}/public\nfile_server\n}}");
    let provider = Igor::new().file("public/keys.json", &set(&[curve.jwk("a")])).raw_site(&site).start();
    wait_until("the keys are read", || status(&server, &curve.token(Some("a"))) == 200);
    drop(provider);
}

#[test]
fn keys_by_https() {
    let curve = Curve::new();
    let page = "root {$DIR}/public\nfile_server";
    let provider = Igor::new().file("public/keys.json", &set(&[curve.jwk("a")])).https(&[("localhost", page)]).start();
    let url = format!("https://localhost:{}/keys.json", provider.address().port());
    let root = provider.path("data/pki/authorities/local/root.crt").display().to_string();
    let server = hub(&url).env("SSL_CERT_FILE", &root).start();
    assert_eq!(status(&server, &curve.token(Some("a"))), 200);
    let stranger = hub(&url).start();
    assert_eq!(status(&stranger, &curve.token(Some("a"))), 401, "the certificate is of no known authority");
    stranger.wait_log(&["reading the keys of tokens", "certificate"]);
}

#[test]
fn keys_in_a_file() {
    let (curve, other) = (Curve::new(), Curve::new());
    let igor = Igor::new();
    let file = igor.folder().join("keys.json");
    let url = format!("file://{}", file.display());
    let site = format!("mercure {{\nanonymous\npublisher_jwks_url {url}\n}}");
    let server = igor.site(&site).file("keys.json", &set(&[curve.jwk("a")])).start();
    assert_eq!(status(&server, &curve.token(Some("a"))), 200);
    replace(&file, &set(&[other.jwk("a")]));
    wait_until("the other key is known", || status(&server, &other.token(Some("a"))) == 200);
    assert_eq!(status(&server, &curve.token(Some("a"))), 401);

    for (lines, expected) in [
        ("publisher_jwks_url file:///nowhere/keys.json", "reading the keys in /nowhere/keys.json"),
        ("publisher_jwks_url file:///etc/passwd", "it is no set of keys"),
        ("publisher_jwks_url file://keys.json", "this URL has no absolute path"),
        ("publisher_jwks_url keys.json", "this URL has no scheme"),
        ("publisher_jwks_url ftp://a.example/", "this URL has a scheme that is none of"),
        ("publisher_jwks_url https://user:word@a.example/", "this URL has no host, or a password before it"),
        ("publisher_jwks_url https://a.example/\npublisher_jwt secret", "the tokens of this role have a key already"),
        ("subscriber_jwt secret\nsubscriber_jwks_url https://a.example/", "the tokens of this role have a key already"),
    ] {
        let log = Igor::new().site(&format!("mercure {{\nanonymous\n{lines}\n}}")).start_fails().log;
        assert!(log.contains(expected) && !log.contains("word@"), "{lines}: {log}");
    }
    let empty = "mercure {\nanonymous\npublisher_jwt secret\npublisher_jwks_url {env.NOT_THERE}\n}";
    drop(Igor::new().site(empty).start());
}

/// Answers each connection with this text, and counts them.
fn answering(answer: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/keys.json", listener.local_addr().expect("its address"));
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            counter.fetch_add(1, Ordering::SeqCst);
            let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            // The other side may have left.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    (url, count)
}

#[test]
fn providers_that_answer_wrongly() {
    let curve = Curve::new();
    let ok = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let many: Vec<Value> = (0..101).map(|number| curve.jwk(&number.to_string())).collect();
    for (what, answer, expected) in [
        ("no HTTP", "hello\r\n".to_owned(), "reading the keys"),
        ("nothing", String::new(), "reading the keys"),
        (
            "another status",
            "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "the status is 302",
        ),
        ("no JSON", ok("<html>"), "it is no set of keys"),
        ("no keys", ok(r#"{"keys":[]}"#), "it has no public key that can verify tokens"),
        ("too many keys", ok(&set(&many)), "it has 101 keys, more than 100"),
        ("too many bytes", ok(&format!("{{\"keys\":[\"{}\"]}}", "x".repeat(2 << 20))), "length limit exceeded"),
    ] {
        let (url, count) = answering(answer);
        let server = hub(&url).start();
        for number in 0..20 {
            assert_eq!(status(&server, &curve.token(Some(&format!("a{number}")))), 401, "{what}");
        }
        server.wait_log(&["reading the keys of tokens", expected]);
        let count = count.load(Ordering::SeqCst);
        assert!((1..=4).contains(&count), "{what}: {count} fetches for 20 tokens");
    }
}

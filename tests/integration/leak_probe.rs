//! Two users' requests alternate on one thread of an HTTP worker that changes everything that a request can change: none of
//! them sees what the other has sent or set.

use crate::common::{Connection, Igor, Request, Response};
use serde_json::Value;

/// The number of requests without `LEAK_PROBE`: a sample.
const SAMPLE: usize = 600;

/// Only some requests fetch a page and use much memory, because that takes longer than all the rest.
const COSTLY_EVERY: usize = 25;

struct User {
    number: usize,
    secret: &'static str,
    connection: Connection,
}

impl User {
    /// Sends a request in which every part that a client controls contains the secret.
    fn ask(&mut self, fetch: Option<&str>) -> Response {
        let (secret, number) = (self.secret, self.number.to_string());
        let part = |name: &str| format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"");
        let body = format!(
            "{}\r\n\r\n{secret}\r\n{}; filename=\"{secret}.txt\"\r\nContent-Type: text/plain\r\n\r\n{secret}\r\n--x--\r\n",
            part("secret"),
            part("file")
        );
        let mut request = Request::post(&format!("/leak_probe.php/{secret}?secret={secret}"), body)
            .header("Content-Type", "multipart/form-data; boundary=x")
            .header("Cookie", &format!("secret={secret}"))
            .header("Authorization", &format!("Bearer {secret}"))
            .header("User-Agent", secret)
            .header("X-Secret", secret)
            .header("X-User", &number);
        if let Some(address) = fetch {
            request = request.header("X-Fetch", address);
        }
        self.connection.send(&request)
    }
}

/// The parts of the answer: the state of PHP that the request has found, and what it knows of its client.
fn parts(answer: &Response) -> Value {
    let text = answer.text();
    let (json, _) = text.split_once("<form").unwrap_or_else(|| panic!("{} {text}", answer.status));
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn no_user_sees_another_ones() {
    let count = std::env::var("LEAK_PROBE").map_or(SAMPLE, |count| count.parse().expect("LEAK_PROBE is a number"));
    let server = Igor::new()
        .frankenphp("num_threads 2")
        .site("root {$PHP_TESTS}\nphp_server {\nenv DIR {$DIR}\nworker {$PHP_TESTS}/leak_probe.php 1\n}")
        .start();
    let address = server.address().to_string();
    let user = |number, secret| User { number, secret, connection: server.connect() };
    let mut users = [user(0, "alice-7f3a55"), user(1, "bobby-91cc02")];
    let mut clean: Option<Value> = None;
    for number in 0..count {
        let other = users[(number + 1) % 2].secret;
        let user = &mut users[number % 2];
        // In each pair it is another one that costs.
        let is_costly = number % COSTLY_EVERY == 0;
        let answer = user.ask(is_costly.then_some(address.as_str()));
        assert_eq!(usize::from(answer.status), 201 + user.number, "request {number}: {}", answer.text());
        let everything = format!("{:?} {}", answer.headers, answer.text());
        assert!(!everything.contains(other), "request {number} shows {other}: {everything}");
        let parts = parts(&answer);
        assert_eq!(parts["session"], user.secret, "request {number}");
        for place in
            ["/own/server/QUERY_STRING", "/own/input/0", "/own/input/1", "/own/input/2", "/own/headers", "/own/upload"]
        {
            let own = parts.pointer(place).unwrap_or_else(|| panic!("{place} is not in {parts}"));
            assert!(own.to_string().contains(user.secret), "request {number}: {place} is {own}");
        }
        let found = &parts["found"];
        let clean = clean.get_or_insert_with(|| found.clone());
        for (state, value) in found.as_object().expect("states") {
            assert_eq!(*value, clean[state], "request {number}: {state}");
        }
    }
    assert_eq!(server.log.count("restarting it"), 0, "all in one run");
}

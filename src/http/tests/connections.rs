//! Sockets and the life of a listener.

use std::sync::Barrier;

use super::*;
use crate::http::connection::ConnectionInfo;

fn hello(exchange: &mut dyn Exchange) {
    let _ = exchange.write(format!("hello {}", uri(exchange)).as_bytes());
}

fn respond_with(body: &str) -> HttpService {
    HttpService::new(vec![site(&[], vec![route(text(200, body))])])
}

#[test]
fn many_kept_alive_connections_do_not_mix_their_answers() {
    const CLIENTS: usize = 64;
    let server = Server::running(hello);
    let together = Barrier::new(CLIENTS);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (server, together) = (&server, &together);
            scope.spawn(move || {
                let mut client = server.client();
                together.wait();
                for round in 0..20 {
                    client.send(&format!("GET /{number}/{round} HTTP/1.1\r\nHost: a\r\n\r\n"));
                    assert_eq!(client.answer().text(), format!("hello /{number}/{round}"));
                }
            });
        }
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = Server::running(hello);
    let mut client = server.client();
    client.send(&(0..10).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect::<String>());
    for number in 0..10 {
        assert_eq!(client.answer().text(), format!("hello /{number}"));
    }
}

#[test]
fn close_is_granted_to_client_and_script() {
    let server = Server::running(|exchange| {
        let lines: &[&str] = if uri(exchange) == "/closes" { &["Connection: close"] } else { &[] };
        let _ = respond(exchange, 200, lines);
    });
    for request in ["GET /closes HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"]
    {
        let mut client = server.client();
        client.send(request);
        assert_eq!(client.answer().header("connection"), Some("close"), "{request}");
        assert!(client.is_closed(), "{request}");
    }
}

#[test]
fn requests_without_one_valid_host_are_refused() {
    let server = Server::running(hello);
    let cases = [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
        ("GET http://b:80/x HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        ("GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 405),
    ];
    for (request, expected) in cases {
        let mut client = server.client();
        client.send(request);
        assert_eq!(client.answer().status, expected, "{request}");
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = Server::running(hello);
    let mut client = server.client();
    let line = format!("X-Big: {}\r\n", "x".repeat(crate::limits::REQUEST_HEAD_BYTES_MAX));
    client.send(&format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n"));
    assert_eq!(client.head().expect("an answer").status, 431);
}

#[test]
fn a_gate_that_panics_costs_one_request() {
    struct Panicking;
    impl JobSender for Panicking {
        fn capacity(&self) -> usize {
            1
        }
        fn offer(&self, _: Job) -> Result<(), Job> {
            panic!("on purpose")
        }
    }
    let server = Server::new(Arc::new(Panicking), None);
    let mut client = server.client();
    for _ in 0..3 {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 500);
    }
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let server = Server::running(hello);
    let error = BoundListener::bind(ListenAddress::Tcp(server.address)).expect_err("the port is taken").to_string();
    assert!(error.starts_with(&format!("listening on {}: ", server.address)), "{error}");
    assert!(error.contains("choose another port"), "{error}");
}

#[test]
fn a_new_service_answers_the_next_request_of_an_open_connection() {
    let server = Server::running(hello);
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "hello /");
    server.listener().replace_service(respond_with("new"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().text(), "new");
    assert_eq!(server.get("/").text(), "new");
}

#[test]
fn shutting_down_waits_for_running_requests_and_closes_idle_connections() {
    let (go_on, waits) = crossbeam_channel::unbounded::<()>();
    let (started, starts) = crossbeam_channel::unbounded();
    let mut server = Server::running(move |exchange| {
        if uri(exchange) == "/slow" {
            started.send(()).expect("the test listens");
            waits.recv_timeout(DEADLINE).expect("the test lets it go on");
        }
        hello(exchange);
    });
    let mut idle = server.client();
    idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    idle.answer();
    let mut busy = server.client();
    busy.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    starts.recv_timeout(DEADLINE).expect("the slow request runs");

    let listener = server.listener.take().expect("the server runs");
    let ending = server.runtime.spawn(listener.shut_down(DEADLINE));
    assert!(idle.is_closed());
    // Socket and connections are closed by different tasks.
    wait_until("nothing listens any more", || TcpStream::connect(server.address).is_err());
    go_on.send(()).expect("the script waits");
    let answer = busy.answer();
    assert_eq!((answer.text(), answer.header("connection")), ("hello /slow", Some("close")));
    assert!(busy.is_closed());
    assert_eq!(server.runtime.block_on(ending).expect("the shutdown ends"), 0);
}

#[test]
fn what_is_not_done_after_the_grace_period_is_cut_off() {
    let (started, starts) = crossbeam_channel::unbounded();
    let (events, seen) = crossbeam_channel::unbounded();
    let mut server = Server::running(move |exchange| {
        started.send(()).expect("the test listens");
        wait_until("the client is gone", || exchange.client_gone());
        events.send(()).expect("the test listens");
    });
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    starts.recv_timeout(DEADLINE).expect("the request runs");
    let listener = server.listener.take().expect("the server runs");
    assert_eq!(server.runtime.block_on(listener.shut_down(Duration::from_millis(10))), 1);
    assert!(client.is_closed());
    seen.recv_timeout(DEADLINE).expect("PHP is told");
}

/// hyper moves the future of each request, so its size is copied with every one.
#[test]
fn the_future_of_a_request_is_small() {
    let service = respond_with("ok");
    let request = http::Request::new(http_body_util::Empty::<bytes::Bytes>::new());
    let answering = service.handle_on(ConnectionInfo::default(), None, request);
    assert!(size_of_val(&answering) <= 4096, "{} bytes", size_of_val(&answering));
}

//! Waiting for a PHP thread, and giving up.

use super::*;

fn hello(exchange: &mut dyn Exchange) {
    let _ = exchange.write(b"hello");
}

fn ask(server: &Server) -> Client {
    let mut client = server.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client
}

/// A request that runs: this thread has come before its time to wait was over.
fn running(server: &Server, jobs: &Receiver<Job>) -> (Client, Box<dyn Exchange>) {
    loop {
        let mut client = ask(server);
        match jobs.recv_timeout(DEADLINE).expect("it is queued").take() {
            Some(exchange) => return (client, exchange),
            None => assert_refused(&mut client),
        }
    }
}

fn assert_refused(client: &mut Client) {
    let answer = client.answer();
    assert_eq!(answer.status, 503);
    let retry_after = answer.header("retry-after").and_then(|value| value.parse::<u32>().ok());
    assert!(retry_after.is_some_and(|seconds| seconds > 0), "{answer:?}");
}

#[test]
fn a_full_queue_and_a_long_wait_answer_503_with_retry_after() {
    let (sender, jobs) = FakeThreads::without_threads(1);
    let server = Server::new(sender, Some(Duration::from_millis(50)));
    let mut first = ask(&server);
    wait_until("the first request has the only place", || server.queue.depth() == 1);
    let mut second = ask(&server);
    assert_refused(&mut first);
    assert_refused(&mut second);
    assert_eq!(server.queue.refused(), 2);
    // Both are withdrawn: jobs that are still queued do not run.
    assert_eq!(jobs.try_iter().filter_map(Job::take).count(), 0);
    assert_eq!(server.queue.depth(), 0, "skipped jobs give their places back");
}

#[test]
fn a_refused_connection_serves_the_next_request() {
    let (sender, jobs) = FakeThreads::without_threads(1);
    let server = Server::new(sender, Some(Duration::from_millis(50)));
    let mut client = server.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_refused(&mut client);
    assert_eq!(jobs.try_iter().filter_map(Job::take).count(), 0);
    // This thread may come to the next request too late, too.
    let mut exchange = loop {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        match jobs.recv_timeout(DEADLINE).expect("the next request is queued").take() {
            Some(exchange) => break exchange,
            None => assert_refused(&mut client),
        }
    };
    hello(exchange.as_mut());
    // The response ends with it.
    drop(exchange);
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn who_waits_for_a_place_gets_it() {
    let (sender, jobs) = FakeThreads::without_threads(1);
    let server = Server::new(sender, None);
    let mut first = ask(&server);
    let first_job = jobs.recv_timeout(DEADLINE).expect("the first is queued");
    let mut second = ask(&server);
    // Taking the first job frees the place for the second.
    hello(first_job.take().expect("nobody withdrew it").as_mut());
    hello(jobs.recv_timeout(DEADLINE).expect("the second is queued").take().expect("nobody withdrew it").as_mut());
    assert_eq!((first.answer().status, second.answer().status), (200, 200));
}

#[test]
fn a_request_that_runs_is_never_given_up() {
    let (sender, jobs) = FakeThreads::without_threads(1);
    let limit = Duration::from_millis(20);
    let server = Server::new(sender, Some(limit));
    let (mut client, mut exchange) = running(&server, &jobs);
    // Longer than any request may wait for a thread; but this request already has one.
    std::thread::sleep(limit * 5);
    hello(exchange.as_mut());
    drop(exchange);
    assert_eq!(client.answer().text(), "hello");
}

#[test]
fn a_client_that_hangs_up_while_it_waits_is_not_run() {
    let (sender, jobs) = FakeThreads::without_threads(4);
    let server = Server::new(sender, None);
    let client = ask(&server);
    let job = jobs.recv_timeout(DEADLINE).expect("it is queued");
    let claim = job.claim();
    drop(client);
    // The server withdraws the job, so a second withdrawal fails.
    wait_until("the server noticed", || server.listener().connections() == 0);
    assert!(!claim.withdraw());
    assert!(job.take().is_none());
    assert_eq!(server.queue.depth(), 0);
}

#[test]
fn without_threads_the_answer_is_503() {
    let (sender, jobs) = FakeThreads::without_threads(4);
    let server = Server::new(sender, None);
    // A queue that is dropped with a job in it.
    let mut client = ask(&server);
    drop(jobs.recv_timeout(DEADLINE).expect("it is queued"));
    assert_refused(&mut client);
    // A sender that accepts no more jobs.
    drop(jobs);
    assert_refused(&mut ask(&server));
}

#[test]
fn gates_to_one_queue_share_its_places() {
    let (sender, jobs) = FakeThreads::without_threads(1);
    let root = document_root();
    let queue = RequestQueue::new(sender.clone(), Some(Duration::from_millis(50)));
    let other = queue.sharing(sender);
    let sites = [("a", &queue), ("b", &other)]
        .map(|(host, queue)| site(&[host], vec![route(php(php_route(root.path(), queue)))]));
    let server = Server::with(root, Arc::clone(&queue), sites.into());
    let (mut first, exchange) = running(&server, &jobs);
    let second = ask(&server);
    wait_until("the second request has the only place", || queue.depth() == 1);
    assert_eq!(other.depth(), 1, "it is the same place");
    let mut third = server.client();
    third.send("GET / HTTP/1.1\r\nHost: b\r\n\r\n");
    assert_refused(&mut third);
    assert_eq!(other.refused(), 1);
    drop((exchange, second));
    assert_eq!(first.answer().status, 500);
}

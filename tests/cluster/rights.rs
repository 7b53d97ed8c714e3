//! Users of Redis with the rights that the manual lists, and no others.

use crate::engines::{Server, redis_with};
use crate::hubs;
use crate::instance::{Instance, RATES, Reader};
use crate::stores::{STORE, php, redis, start};
use crate::stores_by::works;
use crate::until;

/// Makes the user that a page of the manual describes behind these words. Returns the directive `engine` with it.
fn user(server: &Server, manual: &str, words: &str) -> String {
    let (_, listed) = manual.split_once(words).expect("the manual lists rights");
    let (listed, rest) = listed.split_once("too").expect("one is for newer servers");
    assert!(listed.ends_with("+client|setinfo` ") && rest.len() > 1);
    let words: Vec<&str> = listed.split('`').skip(1).step_by(2).collect();
    let (newer, all) = words.split_last().expect("rights");
    let set = |rights: &str| redis(server.port, format!("ACL SETUSER igor on >secret {rights}\r\n").as_bytes());
    let done = set(&all.join(" "));
    assert_eq!(done, "+OK\r\n+OK\r\n", "{all:?}");
    // An older server refuses it.
    set(newer);
    format!("engine redis redis://igor:secret@127.0.0.1:{}", server.port)
}

#[test]
fn hubs_by_a_user_with_few_rights() {
    let server = redis_with(&[]);
    let engine = user(&server, include_str!("../../docs/cluster.md"), "With Redis, a user with few rights needs\n");
    let [one, other] = [0, 1].map(|_| hubs::start(&format!("{engine}\n prefix shop")));
    hubs::connect(&one, &other);
    nothing_was_refused(&server);
}

fn nothing_was_refused(server: &Server) {
    assert_eq!(redis(server.port, b"ACL LOG\r\n"), "*0\r\n+OK\r\n");
}

#[test]
fn a_store_by_a_user_with_few_rights() {
    let server = redis_with(&[]);
    let engine = user(&server, include_str!("../../docs/stores.md"), "A user with few rights needs\n");
    // Another number than 0 has to be chosen, too.
    works(&start(&format!("{engine}/1"), STORE));
    let instance = start(&engine, STORE);
    works(&instance);
    nothing_was_refused(&server);
    // What others have is theirs.
    instance.reload("prefix shop", "prefix other");
    let said =
        until("a refusal", || Some(php(&instance, "return $store['k'];")).filter(|said| said.contains("NOPERM")));
    assert!(said.starts_with("RuntimeException: the Redis of store \"flags\" has refused it: "), "{said}");
}

#[test]
fn a_cluster_by_a_user_with_few_rights() {
    let server = redis_with(&[]);
    let engine = user(&server, include_str!("../../docs/cluster.md"), "With Redis, a user with few rights needs\n");
    let mut instances = [0, 1].map(|_| Instance::start(&format!("{engine}/1"), RATES, "prefix shop"));
    let readers = instances.each_ref().map(|instance| Reader::start(instance.address));
    readers.iter().for_each(|reader| reader.await_newer("a snapshot"));
    readers.into_iter().for_each(|reader| assert!(reader.end() > 0));
    // The leases are given back.
    for instance in &mut instances {
        instance.signal(rustix::process::Signal::INT);
        until("its end", || instance.child.try_wait().expect("it was started"));
        assert!(!instance.log().contains("could not be given back"), "{}", instance.log());
    }
    nothing_was_refused(&server);
}

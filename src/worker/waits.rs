//! The graph of workers that wait for each other. A background worker that would wait for itself, directly or through
//! others, fails at once instead of timing out (contract line B16).

use crate::tasks::{TaskWorker, WaitGraph};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A background worker in the graph: the address of its tasks, which its successors share, is its identity.
pub(super) type Node = usize;

/// The waits of all background workers of the process.
#[derive(Default)]
pub struct Waits {
    /// Worker => those it waits for now. Protects the map alone; never held across a wait.
    edges: Mutex<HashMap<Node, Vec<Edge>>>,
}

/// One wait.
struct Edge {
    /// The worker that is waited for.
    to: Node,
    /// How many waits like this one leave the worker no thread that could end the circle.
    threads: usize,
    /// For the message that lists the circle.
    from_name: String,
    to_name: String,
}

impl Waits {
    /// Records that `from` waits for `to`. `Err` with the names along the cycle if the wait would never end.
    pub(super) fn add(&self, from: (Node, &str), to: (Node, &str)) -> Result<(), Vec<String>> {
        self.add_one_of(1, from, to)
    }

    /// The same for a wait of one of `threads` threads: another thread may still end the wait.
    fn add_one_of(&self, threads: usize, from: (Node, &str), to: (Node, &str)) -> Result<(), Vec<String>> {
        let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = edges.get(&from.0).map_or(0, Vec::len) + 1;
        if waits >= threads
            && let Some(path) = path(&edges, to, from.0)
        {
            return Err(std::iter::once(from.1.to_owned()).chain(path).collect());
        }
        let edge = Edge { to: to.0, threads, from_name: from.1.to_owned(), to_name: to.1.to_owned() };
        edges.entry(from.0).or_default().push(edge);
        Ok(())
    }

    /// The wait has ended, successfully or not.
    pub(super) fn remove(&self, from: Node, to: Node) {
        let mut edges = self.edges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(list) = edges.get_mut(&from) {
            if let Some(position) = list.iter().position(|edge| edge.to == to) {
                list.swap_remove(position);
            }
            if list.is_empty() {
                edges.remove(&from);
            }
        }
    }
}

/// A thread that waits for a background worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiter {
    /// The PHP thread's name, which says of what kind it is: `php-…`, `http-…`, or `bg-…` with the name of its worker.
    pub thread: String,
    /// For how long.
    pub since: Duration,
}

/// The threads that wait for one worker; the worker's lock protects it. There are at most as many as PHP threads.
#[derive(Default)]
pub(super) struct Waiters {
    /// The number of the last ticket.
    tickets: u64,
    /// The ticket, the thread's name, and when it began to wait.
    list: Vec<(u64, String, Instant)>,
}

impl Waiters {
    /// The calling thread starts to wait. The ticket ends it.
    pub(super) fn enter(&mut self) -> u64 {
        self.tickets += 1;
        let name = std::thread::current().name().unwrap_or("unnamed").to_owned();
        self.list.push((self.tickets, name, Instant::now()));
        self.tickets
    }

    /// The wait has ended.
    pub(super) fn leave(&mut self, ticket: u64) {
        self.list.retain(|(other, ..)| *other != ticket);
    }

    /// The longest waits first.
    pub(super) fn seen(&self) -> Vec<Waiter> {
        self.list.iter().map(|(_, thread, at)| Waiter { thread: thread.clone(), since: at.elapsed() }).collect()
    }
}

impl WaitGraph for Waits {
    fn enter(&self, from: &Arc<TaskWorker>, to: &Arc<TaskWorker>) -> Result<(), Vec<String>> {
        self.add_one_of(from.threads(), (node(from), from.name()), (node(to), to.name()))
    }

    fn leave(&self, from: &Arc<TaskWorker>, to: &Arc<TaskWorker>) {
        self.remove(node(from), node(to));
    }
}

/// The identity of a worker.
pub(super) fn node(tasks: &Arc<TaskWorker>) -> Node {
    Arc::as_ptr(tasks) as usize
}

/// The waits of a worker, when they leave it no thread.
fn blocked(edges: &HashMap<Node, Vec<Edge>>, node: Node) -> &[Edge] {
    let waits = edges.get(&node).map_or(&[][..], Vec::as_slice);
    let threads = waits.iter().map(|edge| edge.threads).min().unwrap_or(0);
    if waits.len() >= threads { waits } else { &[] }
}

/// The names from `start` to `goal`, both included, if there is a path.
fn path(edges: &HashMap<Node, Vec<Edge>>, start: (Node, &str), goal: Node) -> Option<Vec<String>> {
    if start.0 == goal {
        return Some(vec![start.1.to_owned()]);
    }
    let mut came_from: HashMap<Node, (Node, String)> = HashMap::new();
    let mut names: HashMap<Node, String> = HashMap::from([(start.0, start.1.to_owned())]);
    let mut open = vec![start.0];
    while let Some(node) = open.pop() {
        for edge in blocked(edges, node) {
            debug_assert!(names.get(&node).is_none_or(|name| *name == edge.from_name));
            if edge.to == start.0 || came_from.contains_key(&edge.to) {
                continue;
            }
            came_from.insert(edge.to, (node, edge.to_name.clone()));
            names.insert(edge.to, edge.to_name.clone());
            open.push(edge.to);
        }
    }
    let mut way = Vec::new();
    let mut node = goal;
    while let Some((before, name)) = came_from.get(&node) {
        way.push(name.clone());
        node = *before;
    }
    (node == start.0 && !way.is_empty()).then(|| {
        way.push(start.1.to_owned());
        way.reverse();
        way
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::TaskQueue;

    /// A pool that sends to itself is in a circle only when its last thread waits too.
    #[test]
    fn a_pool_is_blocked_when_all_its_threads_wait() {
        let waits: Arc<Waits> = Arc::default();
        let (pool, single) = (TaskQueue::new("pool", 2, 1), TaskQueue::new("single", 1, 1));
        let (pool, single) = (pool.worker(), single.worker());
        assert_eq!(waits.enter(pool, pool), Ok(()));
        assert_eq!(waits.enter(pool, pool), Err(vec!["pool".into(), "pool".into()]));
        assert_eq!(waits.enter(single, pool), Ok(()));
        assert_eq!(waits.enter(pool, single), Err(vec!["pool".into(), "single".into(), "pool".into()]));
        waits.leave(pool, pool);
        assert_eq!(waits.enter(pool, single), Ok(()));
        assert_eq!(waits.enter(single, single), Err(vec!["single".into(), "single".into()]));
    }

    #[test]
    fn cycles_are_named_and_ended_waits_forgotten() {
        let waits = Waits::default();
        assert_eq!(waits.add((1, "a"), (1, "a")), Err(vec!["a".into(), "a".into()]));
        assert_eq!(waits.add((1, "a"), (2, "b")), Ok(()));
        assert_eq!(waits.add((2, "b"), (3, "c")), Ok(()));
        assert_eq!(waits.add((3, "c"), (1, "a")), Err(vec!["c".into(), "a".into(), "b".into(), "c".into()]));
        waits.remove(1, 2);
        assert_eq!(waits.add((3, "c"), (1, "a")), Ok(()));
    }
}

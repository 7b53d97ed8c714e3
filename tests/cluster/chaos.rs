//! Random steps: instances are killed, stopped and restarted, the servers of the engine too, and the network between them
//! loses its way, becomes slow, drops connections, or loses publishes or their answers. Old publishes come again, and the
//! engine accepts none of them twice. All instances are read meanwhile: no read fails, and none goes back, not even across
//! a restart of the instance. From time to time everything recovers, and every instance must see something newer.
//!
//! `CLUSTER_STEPS` is the number of steps, `CLUSTER_SEED` repeats their choice: the seed is printed. `make cluster-chaos`
//! runs 10,000 of them for each engine.

use crate::engines::Engine;
use crate::instance::{Instance, RATES, Reader};
use crate::nats;
use crate::proxy::{Proxy, Weather};
use crate::twice::{Verdict, is_publish, send_again};
use crate::until;
use rustix::process::Signal;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

const INSTANCES: usize = 3;
/// Of a sample in the suite.
const STEPS: usize = 40;
/// Everything recovers after so many steps.
const RECOVERS_AFTER: usize = 20;
/// The longest pause between two steps: most are shorter than the lease of 2 s, and some faults together are longer.
const PAUSE_MS_MAX: u64 = 400;
/// So many publishes are kept, to be sent again. They are of some terms: a step adds up to one of each instance.
const PUBLISHES: usize = 200;

/// An instance, the network to its engine, and its reader.
struct Place {
    network: Vec<Proxy>,
    instance: Option<Instance>,
    is_stopped: bool,
    reader: Option<Reader>,
    /// The newest that was read here, by whichever process.
    newest: u64,
}

impl Place {
    fn start(&mut self, engine: &Engine) {
        let addresses: Vec<_> = self.network.iter().map(|proxy| proxy.address).collect();
        let instance = Instance::start(&engine.at(&addresses), RATES, "");
        self.reader = Some(Reader::from(instance.address, self.newest));
        self.instance = Some(instance);
    }

    /// As `kill -9`.
    fn kill(&mut self) {
        let (Some(instance), Some(reader)) = (self.instance.take(), self.reader.take()) else { return };
        reader.stop();
        self.is_stopped = false;
        assert!(!instance.log().contains("panicked"), "{}", instance.log());
        drop(instance);
        self.newest = reader.newest().max(self.newest);
        reader.end();
    }

    fn signal(&mut self, is_stopped: bool) {
        let Some(instance) = &self.instance else { return };
        instance.signal(if is_stopped { Signal::STOP } else { Signal::CONT });
        self.is_stopped = is_stopped;
    }

    fn weather(&self, weather: Weather) {
        self.network.iter().for_each(|proxy| proxy.set(weather));
    }
}

struct World {
    engine: Engine,
    is_down: Vec<bool>,
    places: Vec<Place>,
    /// What instances have sent, whether or not it came through. The newest is the last.
    publishes: VecDeque<Vec<u8>>,
    random: fastrand::Rng,
}

impl World {
    fn new(engine: Engine, seed: u64) -> Self {
        let places = (0..INSTANCES).map(|_| {
            let publishes = is_publish(engine.kind);
            let network = engine.addresses().into_iter().map(|server| Proxy::knowing(server, publishes)).collect();
            Place { network, instance: None, is_stopped: false, reader: None, newest: 0 }
        });
        let mut places: Vec<_> = places.collect();
        places.iter_mut().for_each(|place| place.start(&engine));
        let (is_down, random) = (vec![false; engine.servers.len()], fastrand::Rng::with_seed(seed));
        Self { is_down, engine, places, publishes: VecDeque::new(), random }
    }

    fn step(&mut self) -> String {
        let (place, server) = (self.random.usize(..INSTANCES), self.random.usize(..self.is_down.len()));
        let weathers =
            [Weather::Fine, Weather::Cut, Weather::Slow, Weather::Dropping, Weather::Unanswered, Weather::Withheld];
        self.keep_publishes();
        match self.random.u8(..14) {
            0 => {
                self.places[place].kill();
                format!("killed instance {place}")
            }
            1 | 2 if self.places[place].instance.is_none() => {
                self.places[place].start(&self.engine);
                format!("started instance {place}")
            }
            3 | 4 => {
                let stops = !self.places[place].is_stopped;
                self.places[place].signal(stops);
                format!("{} instance {place}", if stops { "stopped" } else { "continued" })
            }
            5 | 6 => {
                let was_down = self.is_down[server];
                self.is_down[server] = !was_down;
                match was_down {
                    false => self.engine.servers[server].kill(),
                    true => self.engine.servers[server].run(),
                }
                format!("server {server} is {}", if was_down { "up" } else { "down" })
            }
            7..=9 => {
                let weather = weathers[self.random.usize(..weathers.len())];
                let proxies = &self.places[place].network;
                proxies[server].set(weather);
                format!("the network from instance {place} to server {server} is {weather:?}")
            }
            10 => {
                self.places[place].weather(Weather::Cut);
                format!("instance {place} is cut off")
            }
            11 | 12 => {
                let which = self.random.usize(..PUBLISHES);
                self.send_again(which, server)
            }
            _ => "nothing".to_owned(),
        }
    }

    fn keep_publishes(&mut self) {
        let sent = self.places.iter().flat_map(|place| &place.network).filter_map(Proxy::take_publish);
        self.publishes.extend(sent);
        self.publishes.drain(..self.publishes.len().saturating_sub(PUBLISHES));
    }

    /// Sends an old publish twice. The first may be accepted, if it was lost on its way and its sender still leads.
    fn send_again(&self, which: usize, server: usize) -> String {
        let Some(which) = which.checked_rem(self.publishes.len()) else { return "nothing was published".to_owned() };
        let (to, publish) = (self.engine.addresses()[server], &self.publishes[which]);
        let said = [0, 1].map(|_| send_again(self.engine.kind, to, publish));
        let is_twice = said[0].is_some() && said[1] == Some(Verdict::Accepted);
        assert!(!is_twice, "a publish was accepted after another answer: {said:?}");
        format!("publish {which} of {} came twice to server {server}: {said:?}", self.publishes.len())
    }

    /// Everything works again, and every instance sees something newer than any instance has seen.
    fn recover(&mut self) {
        for (server, is_down) in self.engine.servers.iter_mut().zip(&mut self.is_down) {
            if std::mem::take(is_down) {
                server.run();
            }
        }
        for place in &mut self.places {
            place.weather(Weather::Fine);
            if place.is_stopped {
                place.signal(false);
            }
            if place.instance.is_none() {
                place.start(&self.engine);
            }
        }
        let readers = || self.places.iter().filter_map(|place| place.reader.as_ref());
        let newest = readers().map(Reader::newest).max().unwrap_or(0);
        let since = Instant::now();
        for reader in readers() {
            until("something newer", || {
                reader.check();
                (reader.newest() > newest).then_some(())
            });
        }
        println!("recovered in {} ms", since.elapsed().as_millis());
    }
}

fn run(engine: Engine) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("CLUSTER_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    let steps = number("CLUSTER_STEPS").map_or(STEPS, |steps| usize::try_from(steps).expect("a number of steps"));
    println!("CLUSTER_SEED={seed} CLUSTER_STEPS={steps}");
    let mut world = World::new(engine, seed);
    world.recover();
    for step in 1..=steps {
        println!("{step}: {}", world.step());
        // Part of the experiment: nothing waits for it.
        std::thread::sleep(Duration::from_millis(world.random.u64(..PAUSE_MS_MAX)));
        world.places.iter().filter_map(|place| place.reader.as_ref()).for_each(Reader::check);
        if step % RECOVERS_AFTER == 0 || step == steps {
            world.recover();
        }
    }
    world.places.iter_mut().for_each(Place::kill);
}

#[test]
fn random_steps_on_redis() {
    run(Engine::redis());
}

#[test]
fn random_steps_on_nats() {
    run(Engine::nats());
}

/// Three servers, and a bucket of three replicas. More than a sample, because the servers need seconds to choose a leader.
#[test]
#[ignore = "make cluster-chaos"]
fn random_steps_on_a_group_of_nats() {
    let engine = Engine::nats_group();
    nats::replicated_bucket(engine.servers[0].port);
    run(engine);
}

#[test]
fn random_steps_on_etcd() {
    run(Engine::etcd());
}

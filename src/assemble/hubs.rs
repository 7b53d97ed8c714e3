//! The Mercure hubs of a configuration, and the scopes that send updates to them.

use crate::cluster::Cluster;
use crate::config::{Address, Config, MercureSettings, Position, ScopeLabel, Site};
use crate::mercure::{self, Hub, Publication};
use crate::php::{Update, UpdateHub};
use crate::worker::ScopeWorkers;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// Checks the keys of the Mercure hubs.
///
/// # Errors A key cannot be read. The message names the site, and never the key.
pub(crate) fn check_hubs(config: &Config) -> Result<(), String> {
    hubs(config).into_iter().try_for_each(|(settings, position)| {
        Hub::check(settings).map_err(|error| format!("{position}: `mercure`: {error}"))
    })
}

/// Checks the files of the hubs' histories: opens them, unless they are open.
///
/// # Errors A file cannot be opened, or two hubs have the same.
pub(crate) fn check_histories(config: &Config) -> Result<(), String> {
    let hubs = hubs(config);
    for (number, (settings, position)) in hubs.iter().enumerate() {
        Hub::check_history(settings).map_err(|error| format!("{position}: `mercure`: {error}"))?;
        // After a restart each would send private updates of the other to its own subscribers.
        let shares = |other: &MercureSettings| other != *settings && other.history_file == settings.history_file;
        let other = hubs[..number].iter().find(|(other, _)| settings.history_file.is_some() && shares(other));
        if let Some((_, first)) = other {
            return Err(format!(
                "{position}: `mercure`: the hub at {first} has the same file for its history but other settings; name another \
                 file, or write the same settings for both"
            ));
        }
    }
    Ok(())
}

/// Puts the hubs of the new configuration in the place of those of the same sites with other settings. Before the sites have new
/// handlers: no one publishes to the new hub what those of the old one would miss. The new hubs end unless they are kept until then.
pub(crate) fn succeed_hubs(old: &Config, new: &Config) -> Vec<Arc<Hub>> {
    mercure::hand_over(&kept(new), |settings| successor(old, new, settings))
}

/// Ends the streams of the hubs that the new configuration does not have any more. After the sites have new handlers, which do not
/// need them.
pub(crate) fn close_other_hubs(new: &Config) {
    mercure::close_all_but(&kept(new));
}

fn kept(config: &Config) -> Vec<&MercureSettings> {
    hubs(config).into_iter().map(|(settings, _)| settings).collect()
}

/// The first hub of the site that had this one.
fn successor<'c>(old: &Config, new: &'c Config, settings: &MercureSettings) -> Option<&'c MercureSettings> {
    let site = old.sites.iter().find(|site| site.hubs().iter().any(|(own, _)| *own == settings))?;
    let place = |address: &Address| (address.host.clone(), address.ip, address.port);
    let places: Vec<_> = site.addresses.iter().map(place).collect();
    let is_same = |site: &&Site| site.addresses.iter().any(|address| places.contains(&place(address)));
    new.sites.iter().find(is_same).and_then(|site| site.hubs().first().map(|(settings, _)| *settings))
}

/// Sets for each scope where the updates of its scripts go: the first hub of its site. Scripts of the `frankenphp` block have
/// no site; theirs go to the only hub of the configuration.
pub(super) fn attach(config: &Config, scopes: &HashMap<ScopeLabel, Arc<ScopeWorkers>>) {
    for (label, scope) in scopes {
        scope.set_hub(
            hub_of(config, label).map(|settings| -> Arc<dyn UpdateHub> { Arc::new(SiteHub(Hub::with(settings))) }),
        );
    }
}

/// Lets the cluster, if there is one, carry the updates of all hubs to other instances.
///
/// # Errors The system has no thread left.
pub(super) fn set_hubs(cluster: &Cluster, config: &Config) -> io::Result<()> {
    let settings = config.global.frankenphp.cluster.as_ref();
    let named = if settings.is_some() { names(config) } else { Vec::new() };
    let hubs: Vec<_> = named.into_iter().map(|(name, settings)| (name, Hub::with(settings))).collect();
    cluster.set_hubs(settings, &hubs)
}

/// All hubs, by the names that all instances know them by: the name of the hub, or the first address of its site. A number is added
/// to an address that is taken: no two hubs share their updates. Of the hubs with a name, no two have the same.
fn names(config: &Config) -> Vec<(String, &MercureSettings)> {
    let all = hubs(config);
    let is_name = |text: &String| all.iter().any(|(settings, _)| settings.name == *text);
    let mut named: Vec<(String, &MercureSettings)> = Vec::new();
    for site in &config.sites {
        for (settings, _) in site.hubs() {
            if named.iter().any(|(_, known)| *known == settings) {
                continue;
            }
            let mut name = settings.name.clone();
            if name.is_empty() {
                let address = site.label().to_string();
                let mut numbered = (2_usize..).map(|number| format!("{address}-{number}"));
                name = address.clone();
                while is_name(&name) || named.iter().any(|(taken, _)| *taken == name) {
                    name = numbered.next().unwrap_or_default();
                }
            }
            named.push((name, settings));
        }
    }
    named
}

/// Sends an update by the hub that the scripts of this scope use, to the subscribers of this instance.
pub(crate) fn publish_for(config: &Config, label: &ScopeLabel, publication: Publication) {
    let Some(settings) = hub_of(config, label) else { return };
    if let Err(error) = Hub::with(settings).publish_here(publication) {
        tracing::error!(scope = label.as_str(), "sending an update: {error}");
    }
}

fn hub_of<'c>(config: &'c Config, label: &ScopeLabel) -> Option<&'c MercureSettings> {
    let has_block = |site: &&Site| site.php_servers().any(|server| server.scope == *label);
    match config.sites.iter().find(has_block) {
        Some(site) => site.hubs().first().map(|(settings, _)| *settings),
        None => {
            let all = hubs(config);
            let (first, _) = all.first()?;
            all.iter().all(|(settings, _)| settings == first).then_some(*first)
        }
    }
}

/// A hub as scripts see it.
struct SiteHub(Arc<Hub>);

impl UpdateHub for SiteHub {
    fn publish(&self, update: Update) -> Result<String, String> {
        let Update { topics, data, is_private, id, kind, retry, is_local } = update;
        let publication = Publication { topics, data, is_private, id, kind, retry };
        let published = if is_local { self.0.publish_here(publication) } else { self.0.publish(publication) };
        published.map(|id| id.to_string()).map_err(|error| error.to_string())
    }
}

fn hubs(config: &Config) -> Vec<(&MercureSettings, &Position)> {
    config.sites.iter().flat_map(Site::hubs).collect()
}

//! What a token allows: the claim `mercure` of Mercure 0.x, and the `authorization_details` (RFC 9396) of Mercure 1.0.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::hub_url::{HubUrl, Topic};
use super::seconds_now;
use super::selector::{Selector, SelectorKind};
use super::token_error::TokenError;
use crate::limits;

/// What a token allows.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// The topics that it may publish to; `None`: it is no publisher's token.
    pub publish: Option<Vec<Selector>>,
    /// The topics whose private updates it may get.
    pub subscribe: Option<Vec<Selector>>,
    /// What the token says about its owner to those who may see who is subscribed: of subscriptions to these topics, or of all.
    pub payloads: Vec<(Option<Vec<Selector>>, Arc<Value>)>,
    /// The time until the token expires, counted from its check.
    pub expires_in: Option<Duration>,
    /// The hub, as its client knows it.
    pub hub: HubUrl,
    /// Whether the token is one of Mercure 1.0, whose statuses its owner expects.
    pub is_access_token: bool,
}

impl Grants {
    /// Of a client without a token.
    #[must_use]
    pub fn anonymous(hub: HubUrl) -> Self {
        Self { hub, ..Self::default() }
    }

    /// Whether all the topics may be published to.
    #[must_use]
    pub fn may_publish(&self, topics: &[String]) -> bool {
        topics.iter().all(|topic| self.any(self.publish.as_deref(), topic))
    }

    /// Whether private updates to this topic may be read.
    #[must_use]
    pub fn may_read(&self, topic: &str) -> bool {
        self.any(self.subscribe.as_deref(), topic)
    }

    /// What others learn about who subscribes by this selector.
    pub(super) fn payload(&self, selector: &Selector) -> Option<&Arc<Value>> {
        let is_for = |(selectors, _): &&(Option<Vec<Selector>>, _)| {
            selectors.is_none() || self.any(selectors.as_deref(), selector.text())
        };
        self.payloads.iter().find(is_for).map(|(_, payload)| payload)
    }

    fn any(&self, selectors: Option<&[Selector]>, topic: &str) -> bool {
        let topic = Topic::new(topic, &self.hub);
        selectors.unwrap_or_default().iter().any(|selector| selector.matches(&topic))
    }
}

#[derive(Deserialize)]
pub(super) struct Claims {
    exp: Option<f64>,
    mercure: Option<MercureClaim>,
    /// The name of the claim for issuers that add a namespace to each.
    #[serde(rename = "https://mercure.rocks/")]
    namespaced: Option<MercureClaim>,
    authorization_details: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
struct MercureClaim {
    publish: Option<Vec<Written>>,
    subscribe: Option<Vec<Written>>,
    payload: Option<Value>,
}

/// A selector in a token.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Matcher(Matcher),
}

#[derive(Deserialize)]
struct Matcher {
    #[serde(rename = "match")]
    text: String,
    /// Earlier drafts wrote `matchType`.
    #[serde(alias = "matchType", default)]
    match_type: MatchType,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum MatchType {
    #[default]
    #[serde(rename = "exact", alias = "Exact")]
    Exact,
    #[serde(rename = "urlpattern", alias = "URLPattern")]
    UrlPattern,
}

#[derive(Deserialize)]
struct Detail {
    actions: Vec<String>,
    topics: Vec<Matcher>,
    payload: Option<Value>,
}

/// The types of details that are for hubs: of Mercure 1.0, and of its last drafts.
const DETAIL_TYPES: [&str; 2] = ["https://mercure.rocks/authorization-detail", "mercure"];

impl Claims {
    /// What they allow, of a token of this type (RFC 7519, `typ`). If there are details for a hub, these alone count.
    pub(super) fn grants(self, token_type: Option<&str>, hub: &HubUrl) -> Result<Grants, TokenError> {
        let expires_in = self.exp.map(|at| Duration::try_from_secs_f64(at - seconds_now() as f64).unwrap_or_default());
        let mut grants = Grants { hub: hub.clone(), expires_in, ..Grants::default() };
        let is_ours = |detail: &Value| detail["type"].as_str().is_some_and(|kind| DETAIL_TYPES.contains(&kind));
        let details: Vec<Value> = self.authorization_details.into_iter().flatten().filter(is_ours).collect();
        if details.is_empty() {
            let claim = self.namespaced.or(self.mercure).unwrap_or_default();
            grants.publish = claim.publish.map(|written| selectors(written, hub)).transpose()?;
            grants.subscribe = claim.subscribe.map(|written| selectors(written, hub)).transpose()?;
            grants.payloads = claim.payload.into_iter().map(|payload| (None, Arc::new(payload))).collect();
        } else {
            if self.exp.is_none() || !is_access_token(token_type) {
                return Err(TokenError::Profile);
            }
            grants.is_access_token = true;
            details.into_iter().try_for_each(|detail| add(&mut grants, detail))?;
        }
        bounded(grants)
    }
}

/// Adds what one detail allows. An action that no hub knows allows nothing.
fn add(grants: &mut Grants, detail: Value) -> Result<(), TokenError> {
    let detail: Detail = serde_json::from_value(detail).map_err(|_| TokenError::Details)?;
    if detail.actions.is_empty() || detail.topics.is_empty() {
        return Err(TokenError::Details);
    }
    let written = detail.topics.into_iter().map(Written::Matcher).collect();
    let selectors = selectors(written, &grants.hub).map_err(|_| TokenError::Details)?;
    let has = |action: &str| detail.actions.iter().any(|own| own == action);
    if has("publish") {
        grants.publish.get_or_insert_default().extend(selectors.iter().cloned());
    }
    if has("subscribe") {
        grants.subscribe.get_or_insert_default().extend(selectors.iter().cloned());
        grants.payloads.extend(detail.payload.map(|payload| (Some(selectors), Arc::new(payload))));
    }
    Ok(())
}

fn selectors(written: Vec<Written>, hub: &HubUrl) -> Result<Vec<Selector>, TokenError> {
    let read = |written| match written {
        Written::Text(text) => Selector::read(SelectorKind::Topic, &text, hub),
        Written::Matcher(Matcher { text, match_type: MatchType::Exact }) => {
            Selector::read(SelectorKind::Exact, &text, hub)
        }
        Written::Matcher(Matcher { text, match_type: MatchType::UrlPattern }) => {
            Selector::read(SelectorKind::UrlPattern, &text, hub)
        }
    };
    written.into_iter().map(read).collect::<Result<_, _>>().map_err(|_| TokenError::Malformed)
}

fn bounded(grants: Grants) -> Result<Grants, TokenError> {
    let of_payloads = grants.payloads.iter().filter_map(|(selectors, _)| selectors.as_ref());
    let all = || grants.publish.iter().chain(&grants.subscribe).chain(of_payloads.clone()).flatten();
    let variables: usize = all().map(Selector::variables).sum();
    if all().count() > limits::MERCURE_CLAIMS_MAX || variables > limits::MERCURE_CLAIM_VARIABLES_MAX {
        return Err(TokenError::TooLarge);
    }
    Ok(grants)
}

/// Whether the type says that it is an access token (RFC 9068), and not for another purpose.
fn is_access_token(token_type: Option<&str>) -> bool {
    let kind = token_type.unwrap_or_default().to_ascii_lowercase();
    kind.strip_prefix("application/").unwrap_or(&kind) == "at+jwt"
}

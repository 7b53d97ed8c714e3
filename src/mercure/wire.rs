//! The form in which an update goes through the engine of a cluster: docs/cluster.md has it. Version 1.
//!
//! The fields are sent, not the event that is made of them: each hub checks what it receives as it checks a publisher.

use super::Publication;
use crate::limits;

const MARK: &[u8; 4] = b"IGUP";
const VERSION: u8 = 1;
const IS_PRIVATE: u8 = 1;

/// Mark, version, sender and number.
const HEAD_BYTES: usize = 4 + 1 + 8 + 8;

/// An update as another hub has sent it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// The hub of one process: a random number.
    pub(super) sender: u64,
    /// Counts the updates of the sender, from 1.
    pub(super) number: u64,
    pub(super) publication: Publication,
}

/// Why an update of the engine cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("it is no update of a hub")]
    Mark,
    #[error("it has the version {0} of the format, and this instance knows the version {VERSION}")]
    Version(u8),
    #[error("it is damaged")]
    Damaged,
    #[error("it is larger than any update of a hub")]
    TooLarge,
}

/// The update without a sender, which [`sign`] adds.
pub(super) fn encode(publication: &Publication) -> Vec<u8> {
    let Publication { topics, data, is_private, id, kind, retry } = publication;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + data.len() + 256);
    bytes.extend(MARK);
    bytes.push(VERSION);
    bytes.resize(HEAD_BYTES, 0);
    bytes.push(if *is_private { IS_PRIVATE } else { 0 });
    bytes.extend(retry.unwrap_or(0).to_be_bytes());
    text(&mut bytes, id.as_deref().unwrap_or_default());
    text(&mut bytes, kind.as_deref().unwrap_or_default());
    bytes.extend(length(topics.len()));
    topics.iter().for_each(|topic| text(&mut bytes, topic));
    text(&mut bytes, data);
    bytes
}

/// Adds the sender, and the number of the update among those of the sender.
pub(super) fn sign(bytes: &mut [u8], sender: u64, number: u64) {
    if let Some(place) = bytes.get_mut(5..HEAD_BYTES) {
        place[..8].copy_from_slice(&sender.to_be_bytes());
        place[8..].copy_from_slice(&number.to_be_bytes());
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<Sent, Unreadable> {
    if bytes.len() > limits::CLUSTER_UPDATE_BYTES_MAX {
        return Err(Unreadable::TooLarge);
    }
    let rest = bytes.strip_prefix(MARK).ok_or(Unreadable::Mark)?;
    let (version, rest) = rest.split_first().ok_or(Unreadable::Damaged)?;
    if *version != VERSION {
        return Err(Unreadable::Version(*version));
    }
    let mut rest = Rest(rest);
    rest.sent().filter(|_| rest.0.is_empty()).ok_or(Unreadable::Damaged)
}

/// A length is always less than that: `limits` bounds an update.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(length(text.len()));
    bytes.extend(text.as_bytes());
}

/// What was not read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn sent(&mut self) -> Option<Sent> {
        let (sender, number) = (self.number()?, self.number()?);
        let is_private = match self.array::<1>()? {
            [0] => false,
            [IS_PRIVATE] => true,
            // Of a later version: who ignored it could show the update to those who may not get it.
            _ => return None,
        };
        let retry = Some(self.number()?).filter(|retry| *retry > 0);
        let (id, kind) = (self.text()?, self.text()?);
        let count = self.length()?;
        // A damaged count reserves nothing.
        let topics = (0..count).map(|_| self.text()).collect::<Option<Vec<_>>>()?;
        let data = self.text()?;
        let kind = Some(kind).filter(|kind| !kind.is_empty());
        let publication = Publication { topics, data, is_private, id: Some(id), kind, retry };
        Some(Sent { sender, number, publication })
    }

    fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.array()?)).ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(text.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication() -> Publication {
        Publication {
            topics: vec!["https://example.com/é".to_owned(), "b".to_owned()],
            data: "one\ntwo".to_owned(),
            is_private: true,
            id: Some("urn:1".to_owned()),
            kind: Some("stock".to_owned()),
            retry: Some(250),
        }
    }

    fn signed() -> Vec<u8> {
        let mut bytes = encode(&publication());
        sign(&mut bytes, u64::MAX, 7);
        bytes
    }

    #[test]
    fn an_update_is_read_as_it_was_written() {
        let sent = Sent { sender: u64::MAX, number: 7, publication: publication() };
        assert_eq!(decode(&signed()), Ok(sent));
    }

    #[test]
    fn what_is_no_update_is_refused() {
        let bytes = signed();
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "{end}");
        }
        let changed = |place: usize, byte: u8| {
            let mut bytes = bytes.clone();
            bytes[place] = byte;
            decode(&bytes)
        };
        assert_eq!(changed(0, b'X'), Err(Unreadable::Mark));
        assert_eq!(changed(4, 2), Err(Unreadable::Version(2)));
        assert_eq!(changed(HEAD_BYTES, 3), Err(Unreadable::Damaged), "an unknown flag");
        assert_eq!(changed(HEAD_BYTES + 9, 0xff), Err(Unreadable::Damaged), "a length beyond the end");
        assert_eq!(decode(&[&bytes[..], b"x"].concat()), Err(Unreadable::Damaged), "bytes behind the end");
        assert_eq!(decode(&vec![0; limits::CLUSTER_UPDATE_BYTES_MAX + 1]), Err(Unreadable::TooLarge));
    }
}

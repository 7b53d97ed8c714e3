//! Where the frames of a request's stream begin and end (RFC 9114, 7.1), without their content.
//!
//! h3 takes a stream that ends between two pieces of a DATA frame for one that ends after it. So a body without
//! `Content-Length` that a client has cut off would look whole.

/// Two numbers of at most eight bytes.
const HEAD_BYTES_MAX: usize = 16;

/// Follows the bytes of a stream.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// The type and the length of a frame, as far as they have come.
    head: [u8; HEAD_BYTES_MAX],
    head_len: usize,
    /// What is missing of the current frame.
    left: u64,
}

impl Frames {
    /// These bytes have come.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head[self.head_len] = bytes[0];
            self.head_len += 1;
            bytes = &bytes[1..];
            if let Some(length) = length(&self.head[..self.head_len]) {
                (self.left, self.head_len) = (length, 0);
            }
        }
    }

    /// Whether no frame is open.
    pub(super) fn is_between(&self) -> bool {
        self.left == 0 && self.head_len == 0
    }
}

/// The length of a frame with this head; `None`: it is not complete. Sixteen bytes always are.
fn length(head: &[u8]) -> Option<u64> {
    let (_, rest) = number(head)?;
    number(rest).map(|(length, _)| length)
}

/// A number of QUIC (RFC 9000, 16): the first two bits say how many bytes it has.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let size = 1 << (bytes.first()? >> 6);
    let (own, rest) = bytes.split_at_checked(size)?;
    let value = own.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
    Some((value & (u64::MAX >> (64 - 8 * size + 2)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size() {
        for (bytes, expected) in [
            (&[37][..], 37),
            (&[0x7b, 0xbd], 15_293),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
        ] {
            assert_eq!(number(bytes), Some((expected, &[][..])));
            assert_eq!(number(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn every_cut_inside_of_a_frame_is_seen() {
        // HEADERS of 3 bytes, DATA of 0 bytes, a DATA of 70 bytes with a long form of its length, and one of an unknown type.
        let long = [&[0, 0x40, 70][..], &[b'x'; 70]].concat();
        let frames = [vec![1, 3, b'a', b'b', b'c'], vec![0, 0], long, vec![0x21, 1, b'z']];
        let ends: Vec<usize> = (1..=frames.len()).map(|count| frames[..count].concat().len()).collect();
        let all = frames.concat();
        for cut in 0..=all.len() {
            for piece in [1, 7, 1000] {
                let mut followed = Frames::default();
                all[..cut].chunks(piece).for_each(|bytes| followed.follow(bytes));
                assert_eq!(followed.is_between(), cut == 0 || ends.contains(&cut), "{cut} by {piece}");
            }
        }
    }
}

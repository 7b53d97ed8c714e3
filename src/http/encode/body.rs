//! The bytes of a compressed response.
//!
//! The compressor is flushed whenever the handler has no bytes ready. So flushed output reaches the client at once, and
//! continuous output is compressed as a whole.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use brotli::CompressorWriter;
use bytes::{Buf, Bytes};
use flate2::write::GzEncoder;
use http_body::{Body, Frame};

use crate::config::EncodeFormat;
use crate::http::body::{ResponseBody, ResponseBodyError, Source};
use crate::limits;

/// The compressed form of a body. A small body that is complete in memory stays complete, with a length.
pub(super) fn compressed(format: EncodeFormat, body: ResponseBody) -> ResponseBody {
    let whole = body.whole().filter(|bytes| bytes.len() <= limits::ENCODE_WHOLE_BYTES_MAX).cloned();
    match whole.and_then(|bytes| whole_of(format, &bytes).ok()) {
        Some(bytes) => ResponseBody::from(Bytes::from(bytes)),
        None => ResponseBody::new(Source::Boxed(Box::pin(Compressed::new(format, body)))),
    }
}

/// A small body is compressed at once, and its length is known.
fn whole_of(format: EncodeFormat, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut compressor = Compressor::new(format)?;
    compressor.write(bytes)?;
    compressor.finish()
}

/// A body that is compressed while it is sent.
struct Compressed {
    format: EncodeFormat,
    /// The body as its handler made it.
    inner: ResponseBody,
    /// Bytes of `inner` that are not compressed yet.
    pending: Bytes,
    /// Created with the first bytes: it holds most of a response's memory.
    compressor: Option<Compressor>,
    /// Bytes were written since the last flush.
    is_dirty: bool,
    /// The last compressed bytes were returned.
    is_ended: bool,
}

impl Compressed {
    fn new(format: EncodeFormat, inner: ResponseBody) -> Self {
        Self { format, inner, pending: Bytes::new(), compressor: None, is_dirty: false, is_ended: false }
    }

    fn compressor(&mut self) -> io::Result<&mut Compressor> {
        match &mut self.compressor {
            Some(compressor) => Ok(compressor),
            empty => Ok(empty.insert(Compressor::new(self.format)?)),
        }
    }

    /// Compresses one piece. Returns the output if it is worth sending.
    fn step(&mut self) -> io::Result<Option<Bytes>> {
        let piece = self.pending.split_to(self.pending.len().min(limits::ENCODE_PIECE_BYTES_MAX));
        let compressor = self.compressor()?;
        compressor.write(&piece)?;
        let output = (compressor.output().len() >= limits::ENCODE_CHUNK_BYTES_MIN).then(|| compressor.take());
        self.is_dirty = true;
        Ok(output)
    }

    /// Everything so far reaches the client, for streams that pause.
    fn flush(&mut self) -> io::Result<Bytes> {
        self.is_dirty = false;
        let compressor = self.compressor()?;
        compressor.flush()?;
        Ok(compressor.take())
    }

    fn finish(&mut self) -> io::Result<Bytes> {
        self.is_ended = true;
        self.compressor()?;
        self.compressor.take().map_or(Ok(Bytes::new()), |compressor| compressor.finish().map(Bytes::from))
    }
}

impl Body for Compressed {
    type Data = Bytes;
    type Error = ResponseBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseBodyError>>> {
        let this = &mut *self;
        loop {
            if this.pending.has_remaining() {
                if let Some(output) = this.step()? {
                    return Poll::Ready(Some(Ok(Frame::data(output))));
                }
                continue;
            }
            if this.is_ended {
                return Poll::Ready(None);
            }
            let output = match Pin::new(&mut this.inner).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers would describe the uncompressed bytes.
                    this.pending = frame.into_data().unwrap_or_default();
                    continue;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => this.finish()?,
                Poll::Pending if this.is_dirty => this.flush()?,
                Poll::Pending => return Poll::Pending,
            };
            if !output.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(output))));
            }
        }
    }
}

/// A compressor that writes into memory.
enum Compressor {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Compressor {
    fn new(format: EncodeFormat) -> io::Result<Self> {
        let output = Vec::new();
        Ok(match format {
            EncodeFormat::Gzip(level) => Self::Gzip(GzEncoder::new(output, flate2::Compression::new(level))),
            EncodeFormat::Brotli(quality) => {
                let window = limits::ENCODE_WINDOW_BITS;
                let buffer = limits::ENCODE_CHUNK_BYTES_MIN;
                Self::Brotli(Box::new(CompressorWriter::new(output, buffer, quality, window)))
            }
            EncodeFormat::Zstd(level) => {
                let mut encoder = zstd::stream::write::Encoder::new(output, level)?;
                encoder.window_log(limits::ENCODE_WINDOW_BITS)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Compresses into the output.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Brotli(encoder) => Ok(encoder.into_inner()),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }

    fn output(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }

    /// The output so far.
    fn take(&mut self) -> Bytes {
        Bytes::from(std::mem::take(self.output()))
    }
}

//! One message framed once for many receivers.

use bytes::Bytes;
use parking_lot::Mutex;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use ws_compression::{Outcome, PerMessageDeflate, WindowBits};

use crate::frame::{encode_header, header_len};

/// A server's message, framed when it is made and deflated at most once for each window size that a
/// receiver without context takeover has negotiated. Share it behind an `Arc`.
#[derive(Debug)]
pub struct Prepared {
    kind: Data,
    /// Header and payload of the plain form.
    framed: Bytes,
    header_len: u8,
    /// Lazily made; `None` marks a window for which deflating does not pay. A handful of entries at
    /// the most (window bits 9 to 15), so a list is the smallest map.
    deflated: Mutex<Vec<(WindowBits, Option<Bytes>)>>,
}

/// How a prepared message leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wire {
    /// It was encoded into the output: the receiver's form is its own.
    Written,
    /// These shared bytes are to be written as they are.
    Shared(Bytes),
}

impl Prepared {
    /// Frames a text message.
    pub fn text(text: &str) -> Self {
        Self::new(Data::Text, text.as_bytes())
    }

    /// Frames a binary message.
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(Data::Binary, bytes)
    }

    fn new(kind: Data, payload: &[u8]) -> Self {
        let header = header_len(payload.len(), false);
        let mut framed = Vec::with_capacity(header + payload.len());
        encode_header(&mut framed, true, false, OpCode::Data(kind), payload.len(), None);
        framed.extend_from_slice(payload);
        Self {
            kind,
            framed: Bytes::from(framed),
            header_len: header as u8,
            deflated: Mutex::new(Vec::new()),
        }
    }

    /// Text or binary.
    pub fn kind(&self) -> Data {
        self.kind
    }

    /// The message without its header.
    pub fn payload(&self) -> &[u8] {
        &self.framed[usize::from(self.header_len)..]
    }

    /// Bytes of the plain form on the wire; outboxes are bounded by this.
    pub fn wire_len(&self) -> usize {
        self.framed.len()
    }

    /// The shared bytes for a receiver, unless its codec keeps a window of its own.
    pub(crate) fn shared_form(&self, deflate: Option<&PerMessageDeflate>) -> Option<Bytes> {
        let Some(deflate) = deflate else { return Some(self.framed.clone()) };
        let bits = deflate.shared_window_bits()?;
        let mut deflated = self.deflated.lock();
        if let Some((_, form)) = deflated.iter().find(|(of, _)| *of == bits) {
            return Some(form.as_ref().unwrap_or(&self.framed).clone());
        }
        let form = self.deflate(deflate);
        deflated.push((bits, form.clone()));
        Some(form.unwrap_or_else(|| self.framed.clone()))
    }

    fn deflate(&self, deflate: &PerMessageDeflate) -> Option<Bytes> {
        let mut payload = Vec::new();
        match deflate.compress_alone(self.payload(), &mut payload) {
            Outcome::Compressed => {}
            Outcome::Plain => return None,
        }
        let mut framed = Vec::with_capacity(header_len(payload.len(), false) + payload.len());
        encode_header(&mut framed, true, true, OpCode::Data(self.kind), payload.len(), None);
        framed.extend_from_slice(&payload);
        Some(Bytes::from(framed))
    }
}

//! What travels from one to the next.

use std::fmt;

/// Of how many characters a `traceparent` of version 00 is.
const TEXT_LEN: usize = 55;
const SAMPLED: u8 = 1;

/// Which trace something belongs to, which step of it led here, and whether it is recorded.
///
/// It takes 25 bytes and is copied; neither of its names is ever zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

/// Why a text is no `traceparent`. Whoever is sent one begins a trace of its own, as the standard has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceparentError {
    /// Not `version-trace-span-flags` in lower-case hexadecimal digits.
    #[error(
        "a traceparent is 2, 32, 16 and 2 lower-case hexadecimal digits with dashes between them"
    )]
    Form,
    /// Version ff, which there will never be.
    #[error("a traceparent has no version ff")]
    Version,
    /// A name is zero.
    #[error("neither trace nor span of a traceparent is all zeros")]
    Zero,
}

impl TraceContext {
    /// How many bytes [`TraceContext::to_bytes`] takes.
    pub const BYTES: usize = 25;

    /// A context of these names; a zero becomes a one, for zeros name nothing.
    #[must_use]
    pub fn new(trace_id: u128, span_id: u64, is_sampled: bool) -> Self {
        Self {
            trace_id: trace_id.max(1).to_be_bytes(),
            span_id: span_id.max(1).to_be_bytes(),
            flags: if is_sampled { SAMPLED } else { 0 },
        }
    }

    /// Reads a `traceparent`. Later versions may say more behind what version 00 says, and are read as that.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, TraceparentError> {
        let bytes = text.as_bytes();
        let (head, more) = bytes.split_at_checked(TEXT_LEN).ok_or(TraceparentError::Form)?;
        let version: [u8; 1] = hex(&head[..2])?;
        if version == [0xff] {
            return Err(TraceparentError::Version);
        }
        let ends = if version == [0] { more.is_empty() } else { matches!(more, [] | [b'-', ..]) };
        if !ends || [2, 35, 52].iter().any(|&dash| head[dash] != b'-') {
            return Err(TraceparentError::Form);
        }
        let (trace_id, span_id) = (hex(&head[3..35])?, hex(&head[36..52])?);
        let [flags] = hex(&head[53..])?;
        Self::of(trace_id, span_id, flags).ok_or(TraceparentError::Zero)
    }

    /// As it travels where there are bytes and no text.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&self.trace_id);
        bytes[16..24].copy_from_slice(&self.span_id);
        bytes[24] = self.flags;
        bytes
    }

    /// Reads what [`TraceContext::to_bytes`] wrote; `None` if a name is zero.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let (trace_id, rest) = bytes.split_first_chunk()?;
        let (span_id, &[flags]) = rest.split_first_chunk()? else { return None };
        Self::of(*trace_id, *span_id, flags)
    }

    /// Which trace.
    #[must_use]
    pub fn trace_id(&self) -> u128 {
        u128::from_be_bytes(self.trace_id)
    }

    /// Which step.
    #[must_use]
    pub fn span_id(&self) -> u64 {
        u64::from_be_bytes(self.span_id)
    }

    /// Whether it is recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The same step, recorded or not.
    #[must_use]
    pub fn with_sampled(self, is_sampled: bool) -> Self {
        let others = self.flags & !SAMPLED;
        Self { flags: if is_sampled { others | SAMPLED } else { others }, ..self }
    }

    /// Another step of the same trace.
    #[must_use]
    pub fn with_span(self, span_id: u64) -> Self {
        Self { span_id: span_id.max(1).to_be_bytes(), ..self }
    }

    /// Flags beyond those of version 00 are not passed on.
    fn of(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Option<Self> {
        let is_named = trace_id != [0; 16] && span_id != [0; 8];
        is_named.then_some(Self { trace_id, span_id, flags: flags & SAMPLED })
    }
}

/// As `traceparent`, version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id(), self.span_id(), self.flags)
    }
}

fn hex<const LEN: usize>(digits: &[u8]) -> Result<[u8; LEN], TraceparentError> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(TraceparentError::Form),
    };
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn section_3_2_a_traceparent_is_read_by_the_rules_of_the_standard() {
        let long = format!("{GOOD}-more");
        let later = format!("cc{}", &long[2..]);
        for (text, expect) in [
            (GOOD, Ok(true)),
            (&GOOD.replace("-01", "-00"), Ok(false)),
            (&GOOD.replace("-01", "-fe"), Ok(false)),
            (&GOOD.replace("-01", "-ff"), Ok(true)),
            (&later, Ok(true)),
            (&later[..TEXT_LEN], Ok(true)),
            (&later.replace("-more", "more"), Err(TraceparentError::Form)),
            (&long, Err(TraceparentError::Form)),
            (&GOOD.to_uppercase(), Err(TraceparentError::Form)),
            (&GOOD[..54], Err(TraceparentError::Form)),
            ("", Err(TraceparentError::Form)),
            (&GOOD.replace("00-", "ff-"), Err(TraceparentError::Version)),
            (&GOOD.replace("-b7ad", "_b7ad"), Err(TraceparentError::Form)),
            (&GOOD.replace("b7ad6b7169203331", "0000000000000000"), Err(TraceparentError::Zero)),
            (
                &GOOD.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
                Err(TraceparentError::Zero),
            ),
            (&GOOD.replace("0af7", "0äf"), Err(TraceparentError::Form)),
        ] {
            let read = TraceContext::parse(text).map(|context| context.is_sampled());
            assert_eq!(read, expect, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(trace_id: u128, span_id: u64, is_sampled: bool) {
            let context = TraceContext::new(trace_id, span_id, is_sampled);
            prop_assert_eq!(TraceContext::parse(&context.to_string()), Ok(context));
            prop_assert_eq!(TraceContext::from_bytes(&context.to_bytes()), Some(context));
            prop_assert_eq!(context.trace_id(), trace_id.max(1));
            prop_assert_eq!(context.is_sampled(), is_sampled);
        }

        #[test]
        fn nothing_that_is_sent_does_harm(text in ".{0,60}", hex in "[0-9a-f-]{50,60}") {
            let _ = (TraceContext::parse(&text), TraceContext::parse(&hex));
        }
    }
}

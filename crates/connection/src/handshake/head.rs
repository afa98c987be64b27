//! Heads of requests and responses, parsed from bytes within limits.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};

/// How much of a head a peer may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the whole head. Default: 16 KiB, which has room for a token and many cookies.
    pub bytes_max: usize,
    /// Number of header lines. Default: 64; at most 128 are ever parsed.
    pub headers_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes_max: 16 * 1024, headers_max: 64 }
    }
}

/// A head that is not to be answered with service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// Longer than the limit, or not finished within it.
    #[error("the head is longer than {max} bytes")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// More header lines than the limit.
    #[error("the head has more than {max} headers")]
    TooManyHeaders {
        /// The limit.
        max: usize,
    },
    /// Not HTTP/1.1 as RFC 9112 writes it.
    #[error("malformed HTTP: {0}")]
    Malformed(&'static str),
}

impl HeadError {
    /// The status to answer with.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLong { .. } | Self::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
        }
    }
}

const HEADERS_MAX: usize = 128;

/// Parses a request's head from the front of `bytes`. `Ok(None)`: more bytes are needed. On success
/// the second value is the head's length; what follows it belongs to the next layer.
pub fn parse_request(
    bytes: &[u8],
    limits: HeadLimits,
) -> Result<Option<(Request<()>, usize)>, HeadError> {
    request_of(bytes, None, limits)
}

/// As [`parse_request`], and the target and the headers refer to `bytes` instead of holding copies: an
/// allocation less for each.
pub fn parse_shared_request(
    bytes: &Bytes,
    limits: HeadLimits,
) -> Result<Option<(Request<()>, usize)>, HeadError> {
    request_of(bytes, Some(bytes), limits)
}

fn request_of(
    bytes: &[u8],
    shared: Option<&Bytes>,
    limits: HeadLimits,
) -> Result<Option<(Request<()>, usize)>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers[..limits.headers_max.min(HEADERS_MAX)]);
    let Some(len) = finish(parsed.parse(bytes), bytes, limits)? else { return Ok(None) };
    let method = parsed.method.unwrap_or_default().as_bytes();
    let target = parsed.path.unwrap_or_default().as_bytes();
    let mut request = Request::new(());
    *request.method_mut() =
        Method::from_bytes(method).map_err(|_| HeadError::Malformed("the method"))?;
    *request.uri_mut() = Uri::from_maybe_shared(part(target, shared))
        .map_err(|_| HeadError::Malformed("the request target"))?;
    *request.version_mut() = version(parsed.version);
    *request.headers_mut() = header_map(parsed.headers, shared)?;
    Ok(Some((request, len)))
}

/// Parses a response's head; as [`parse_request`].
pub fn parse_response(
    bytes: &[u8],
    limits: HeadLimits,
) -> Result<Option<(Response<()>, usize)>, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers[..limits.headers_max.min(HEADERS_MAX)]);
    let Some(len) = finish(parsed.parse(bytes), bytes, limits)? else { return Ok(None) };
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(parsed.code.unwrap_or_default())
        .map_err(|_| HeadError::Malformed("the status"))?;
    *response.version_mut() = version(parsed.version);
    *response.headers_mut() = header_map(parsed.headers, None)?;
    Ok(Some((response, len)))
}

/// Appends a response's head and body, with the body's length unless the status forbids one.
pub fn encode_response<B: AsRef<[u8]>>(response: &Response<B>, out: &mut Vec<u8>) {
    let status = response.status();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or("Unknown").as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in response.headers() {
        header_line(out, name.as_str(), value.as_bytes());
    }
    let body = response.body().as_ref();
    if !status.is_informational() {
        header_line(out, "content-length", body.len().to_string().as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

pub(crate) fn header_line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn finish(
    parsed: httparse::Result<usize>,
    bytes: &[u8],
    limits: HeadLimits,
) -> Result<Option<usize>, HeadError> {
    let too_long = HeadError::TooLong { max: limits.bytes_max };
    match parsed {
        Ok(httparse::Status::Complete(len)) if len > limits.bytes_max => Err(too_long),
        Ok(httparse::Status::Complete(len)) => Ok(Some(len)),
        Ok(httparse::Status::Partial) if bytes.len() >= limits.bytes_max => Err(too_long),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            Err(HeadError::TooManyHeaders { max: limits.headers_max })
        }
        Err(httparse::Error::HeaderName) => Err(HeadError::Malformed("a header's name")),
        Err(httparse::Error::HeaderValue) => Err(HeadError::Malformed("a header's value")),
        Err(httparse::Error::NewLine) => Err(HeadError::Malformed("a line's end")),
        Err(httparse::Error::Status) => Err(HeadError::Malformed("the status")),
        Err(httparse::Error::Token) => Err(HeadError::Malformed("the first line")),
        Err(httparse::Error::Version) => Err(HeadError::Malformed("the HTTP version")),
    }
}

fn version(minor: Option<u8>) -> Version {
    if minor == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 }
}

fn header_map(
    parsed: &[httparse::Header<'_>],
    shared: Option<&Bytes>,
) -> Result<HeaderMap, HeadError> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    for header in parsed {
        let name = HeaderName::from_bytes(header.name.as_bytes())
            .map_err(|_| HeadError::Malformed("a header's name"))?;
        let value = HeaderValue::from_maybe_shared(part(header.value, shared))
            .map_err(|_| HeadError::Malformed("a header's value"))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// A part of the head, referred to where that is possible.
fn part(part: &[u8], shared: Option<&Bytes>) -> Bytes {
    match shared {
        Some(shared) if !part.is_empty() => shared.slice_ref(part),
        _ => Bytes::copy_from_slice(part),
    }
}

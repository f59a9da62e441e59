//! What a request asks an http guest to do: the part that WASI 0.2 and 0.3 share.

use std::time::{Duration, Instant};

use http::uri::{PathAndQuery, Uri};

/// Chosen by the request's path; `README.md` has the table.
pub enum Behaviour {
    Hello,
    Trap,
    Spin,
    Bomb,
    Break { ms: u64 },
    Tick { ms: u64 },
    Linger { ms: u64 },
    Hoard { count: u64 },
    Sockets { count: u64 },
    Fetch(String),
    Echo,
    Sleep { ms: u64 },
    Headers,
    Env,
    Stdout(String),
    Count,
    Big { bytes: u64 },
    Connect(String),
    Resolve(String),
    Bad(String),
    Unknown,
}

impl Behaviour {
    /// `path_with_query` is the request target as WASI gives it, such as `/sleep?ms=10`.
    pub fn of(path_with_query: &str) -> Self {
        let (path, query) = path_with_query.split_once('?').unwrap_or((path_with_query, ""));
        let text = |name: &str| {
            form_urlencoded::parse(query.as_bytes())
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let required = |name: &str, then: fn(String) -> Self| match text(name) {
            Some(value) => then(value),
            None => Self::Bad(format!("{path} needs ?{name}=")),
        };
        let number = |name: &str, then: fn(u64) -> Self| match text(name).and_then(|t| t.parse().ok()) {
            Some(value) => then(value),
            None => Self::Bad(format!("{path} needs ?{name}= with a whole number")),
        };
        match path {
            "/" => Self::Hello,
            "/trap" => Self::Trap,
            "/spin" => Self::Spin,
            "/bomb" => Self::Bomb,
            "/break" => number("ms", |ms| Self::Break { ms }),
            "/tick" => number("ms", |ms| Self::Tick { ms }),
            "/linger" => number("ms", |ms| Self::Linger { ms }),
            "/hoard" => number("count", |count| Self::Hoard { count }),
            "/sockets" => number("count", |count| Self::Sockets { count }),
            "/fetch" => required("url", Self::Fetch),
            "/echo" => Self::Echo,
            "/sleep" => number("ms", |ms| Self::Sleep { ms }),
            "/headers" => Self::Headers,
            "/env" => Self::Env,
            "/stdout" => required("text", Self::Stdout),
            "/count" => Self::Count,
            "/big" => number("bytes", |bytes| Self::Big { bytes }),
            "/connect" => required("addr", Self::Connect),
            "/resolve" => required("name", Self::Resolve),
            _ => Self::Unknown,
        }
    }
}

/// Keeps a core busy for ever.
pub fn spin() -> ! {
    let mut turn = 0_u64;
    loop {
        turn = std::hint::black_box(turn.wrapping_add(1));
    }
}

/// Keeps a core busy for so long.
pub fn compute(ms: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(ms) {
        std::hint::black_box(start);
    }
}

/// Takes memory until there is no more, which aborts (a trap).
pub fn bomb() -> ! {
    let mut held = Vec::new();
    loop {
        held.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&held);
    }
}

/// A URL cut as WASI wants it.
pub struct Target {
    pub is_tls: bool,
    pub authority: String,
    pub path_with_query: String,
}

impl Target {
    /// Fails with a sentence for anything but an absolute http or https URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("{url}: the scheme must be http or https")),
        };
        let authority = uri.authority().ok_or_else(|| format!("{url}: no host"))?.to_string();
        let path_with_query = uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        Ok(Self { is_tls, authority, path_with_query })
    }
}

/// The WIT name of an error code from its generated `Debug` text: `ErrorCode::HttpRequestDenied` is
/// `HTTP-request-denied` in `wasi:http`. A payload such as `InternalError(Some("..."))` follows unchanged.
pub fn wit_name(debug: &str) -> String {
    let name = debug.rsplit_once("ErrorCode::").map_or(debug, |(_, name)| name);
    let end = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
    let (case, payload) = name.split_at(end);
    let mut words: Vec<String> = Vec::new();
    for c in case.chars() {
        match words.last_mut() {
            Some(word) if !c.is_ascii_uppercase() => word.push(c),
            _ => words.push(c.to_ascii_lowercase().to_string()),
        }
    }
    for word in &mut words {
        if matches!(word.as_str(), "dns" | "http" | "ip" | "tls" | "uri") {
            word.make_ascii_uppercase();
        }
    }
    words.join("-") + payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_codes_have_their_wit_names() {
        assert_eq!(wit_name("ErrorCode::HttpRequestDenied"), "HTTP-request-denied");
        assert_eq!(wit_name("ErrorCode::DestinationIpProhibited"), "destination-IP-prohibited");
        assert_eq!(
            wit_name("ErrorCode::InternalError(Some(\"no Route\"))"),
            "internal-error(Some(\"no Route\"))"
        );
    }

    #[test]
    fn a_value_is_percent_decoded() {
        let Behaviour::Fetch(url) = Behaviour::of("/fetch?url=http%3A%2F%2F127.0.0.1%3A80%2Fa%3Fb%3Dc")
        else {
            panic!("not a fetch");
        };
        assert_eq!(url, "http://127.0.0.1:80/a?b=c");
    }

    #[test]
    fn a_number_that_is_none_is_told_so() {
        assert!(matches!(Behaviour::of("/sleep?ms=soon"), Behaviour::Bad(why) if why.contains("?ms=")));
    }

    #[test]
    fn only_http_urls_are_fetched() {
        assert!(Target::parse("ftp://example.com/").is_err());
        assert!(Target::parse("/relative").is_err());
    }
}

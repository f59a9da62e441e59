//! Says what a file is when it is not a component.

use sha2::{Digest, Sha256};

use crate::error::{EngineError, Kind, Result};

const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// # Errors
/// `artifact`, with a sentence that says what `bytes` are instead of a component. `what` names the component.
pub fn check_is_component(what: &str, bytes: &[u8]) -> Result<()> {
    let refuse = |is: String| Err(EngineError::new(Kind::Artifact, format!("{what} {is}")));
    if bytes.is_empty() {
        return refuse("is an empty file".into());
    }
    if !bytes.starts_with(MAGIC) {
        return refuse(describe_foreign(bytes));
    }
    match bytes.get(4..8) {
        Some(COMPONENT) => Ok(()),
        Some(CORE_MODULE) => refuse(
            "is a core module, not a component: build it for wasm32-wasip2, or wrap it with \
             `wasm-tools component new`"
                .into(),
        ),
        Some(version) => refuse(format!(
            "is WebAssembly of an unknown version (header {})",
            hex::encode(version)
        )),
        None => refuse(format!("ends early: it is truncated after {} bytes", bytes.len())),
    }
}

fn describe_foreign(bytes: &[u8]) -> String {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return "is gzip-compressed, not WebAssembly: push the component itself, not an archive".into();
    }
    let head = &bytes[..bytes.len().min(64)];
    // A multi-byte character may be cut in two at the end of the head.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.error_len().is_none() => std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or(""),
        Err(_) => "",
    };
    if text.is_empty() || text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        return format!(
            "is not WebAssembly: its first bytes are {}",
            hex::encode(&bytes[..bytes.len().min(8)])
        );
    }
    let start = text.trim_start();
    let lower = start.to_ascii_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return "is an HTML page, not WebAssembly: most likely a server's error page that was saved as the file"
            .into();
    }
    format!(
        "is text, not WebAssembly: it starts with {:?}",
        start.chars().take(40).collect::<String>()
    )
}

/// The sentence for a component that the compiler refused.
pub fn describe_refused(what: &str, bytes: &[u8], cause: &wasmtime::Error) -> EngineError {
    let chain = format!("{cause:#}");
    // The parser has no error code for it; these are its three ways to say that bytes are missing.
    let is_short = ["unexpected end", "unexpected eof", "is out of bounds (bound"]
        .iter()
        .any(|sign| chain.contains(sign));
    let text = if is_short {
        format!(
            "{what} ends early: it is truncated after {} bytes ({chain})",
            bytes.len()
        )
    } else {
        format!("{what} can't be compiled: {chain}")
    };
    EngineError::new(Kind::Artifact, text)
}

/// `sha256:<hex>` of `bytes`.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_named() {
        let cases: [(&[u8], &str); 9] = [
            (b"", "empty file"),
            (
                b"hello there",
                "is text, not WebAssembly: it starts with \"hello there\"",
            ),
            (b"(module)", "is text"),
            (b"\n<!DOCTYPE html><title>404</title>", "HTML page"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"\x7fELF\x02\x01\x01\0", "first bytes are 7f454c46"),
            (b"\0asm\x01\0\0\0", "core module, not a component"),
            (b"\0asm", "truncated after 4 bytes"),
            (b"\0asm\x0e\0\x01\0", "unknown version"),
        ];
        for (bytes, part) in cases {
            let error = check_is_component("component hello", bytes).unwrap_err();
            assert!(error.message.contains(part), "{error}");
            assert!(error.message.starts_with("component hello "), "{error}");
            assert_eq!(error.kind, Kind::Artifact);
        }
        check_is_component("component hello", b"\0asm\x0d\0\x01\0").unwrap();
    }

    #[test]
    fn text_whose_head_ends_within_a_character_is_text() {
        let text = format!("{}ü", "a".repeat(63));
        let error = check_is_component("c", text.as_bytes()).unwrap_err();
        assert!(error.message.contains("is text"), "{error}");
    }
}

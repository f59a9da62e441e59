//! Reads the table of egress cases that the engine and the Python models share.

use serde_json::Value;

/// The whole table.
pub fn cases() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../api/src/wasmcloud_api/egress_cases.json"
    );
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{path}: {e}"))
}

pub fn texts(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|text| text.as_str().unwrap())
        .collect()
}

/// Every `accepted` entry parses, every `refused` one gives an error that holds its reason.
pub fn check_grammar(table: &Value, parse: impl Fn(&str) -> Result<(), String>) {
    for entry in texts(&table["accepted"]) {
        assert_eq!(parse(entry), Ok(()), "{entry:?}");
    }
    for case in table["refused"].as_array().unwrap() {
        let (entry, reason) = (case["entry"].as_str().unwrap(), case["reason"].as_str().unwrap());
        let error = parse(entry).expect_err(entry);
        assert!(
            error.contains(reason),
            "{entry:?} is refused with {error:?}, which does not say {reason:?}"
        );
    }
}

//! A guest that keeps things in buckets (`wasi:keyvalue`), on WASI 0.2. `../README.md` says what each path does.

use std::collections::BTreeMap;

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

use wasi::keyvalue::store::{self, Bucket, Error};
use wasi::keyvalue::{atomics, batch};

wit_bindgen::generate!({ path: "../../../host-image/engine/core/wit/keyvalue.wit", world: "host" });

struct KeyValue;

wasip2::http::proxy::export!(KeyValue);

/// Status and text.
type Said = (u16, String);

impl wasip2::exports::http::incoming_handler::Guest for KeyValue {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (status, text) = answer(path, &Query::of(query)).unwrap_or_else(|error| (502, named(error)));
        let response = OutgoingResponse::new(Fields::new());
        response.set_status_code(status).expect("a status that HTTP knows");
        let body = response.body().expect("the body is taken once");
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().expect("the stream is taken once");
        for part in text.as_bytes().chunks(4096) {
            stream.blocking_write_and_flush(part).expect("the client listens");
        }
        drop(stream);
        OutgoingBody::finish(body, None).expect("the body is complete");
    }
}

fn answer(path: &str, query: &Query) -> Result<Said, Error> {
    let bucket = store::open(&query.text("bucket"))?;
    let key = query.text("key");
    Ok(match path {
        "/get" => found(bucket.get(&key)?),
        "/set" => done(bucket.set(&key, query.text("value").as_bytes())?),
        "/set-big" => done(bucket.set(&key, &vec![b'x'; query.number("bytes") as usize])?),
        "/size" => (200, format!("{}\n", bucket.get(&key)?.map_or(0, |value| value.len()))),
        "/delete" => done(bucket.delete(&key)?),
        "/exists" => (200, format!("{}\n", bucket.exists(&key)?)),
        "/keys" => (200, keys(&bucket)?),
        "/increment" => (200, format!("{}\n", atomics::increment(&bucket, &key, query.number("delta"))?)),
        "/get-many" => (200, lines(batch::get_many(&bucket, &query.list("keys"))?)),
        "/set-many" => done(batch::set_many(&bucket, &pairs(&query.list("pairs")))?),
        "/delete-many" => done(batch::delete_many(&bucket, &query.list("keys"))?),
        _ => (404, "no such path\n".to_owned()),
    })
}

fn done((): ()) -> Said {
    (200, "done\n".to_owned())
}

fn found(value: Option<Vec<u8>>) -> Said {
    match value {
        Some(value) => (200, String::from_utf8_lossy(&value).into_owned() + "\n"),
        None => (404, "no such key\n".to_owned()),
    }
}

/// A line a page, the keys of each in the order of the alphabet.
fn keys(bucket: &Bucket) -> Result<String, Error> {
    let (mut pages, mut cursor) = (String::new(), None);
    loop {
        let mut page = bucket.list_keys(cursor)?;
        page.keys.sort();
        pages += &(page.keys.join(" ") + "\n");
        cursor = page.cursor;
        if cursor.is_none() {
            return Ok(pages);
        }
    }
}

/// `key=value` a line, `-` where there is none.
fn lines(values: Vec<Option<(String, Vec<u8>)>>) -> String {
    let line = |pair: Option<(String, Vec<u8>)>| match pair {
        Some((key, value)) => format!("{key}={}\n", String::from_utf8_lossy(&value)),
        None => "-\n".to_owned(),
    };
    values.into_iter().map(line).collect()
}

fn pairs(texts: &[String]) -> Vec<(String, Vec<u8>)> {
    let pair = |text: &String| match text.split_once(':') {
        Some((key, value)) => (key.to_owned(), value.into()),
        None => (text.clone(), Vec::new()),
    };
    texts.iter().map(pair).collect()
}

fn named(error: Error) -> String {
    match error {
        Error::NoSuchStore => "no-such-store\n".to_owned(),
        Error::AccessDenied => "access-denied\n".to_owned(),
        Error::Other(text) => format!("other: {text}\n"),
    }
}

struct Query(BTreeMap<String, String>);

impl Query {
    fn of(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }

    fn number(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or(1)
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.text(name).split(',').map(str::to_owned).collect()
    }
}

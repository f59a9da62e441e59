//! Bodies that don't come to their end: their clients are told, and nobody waits for them for ever.

mod ground;

use bytes::Bytes;
use ground::{Ground, engine, workload};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Fresh instances of both versions of WASI, and shared ones.
const ALL: [&str; 3] = ["p2", "p3", "shared"];

async fn all(settings: serde_json::Value) -> Ground {
    let ground = engine(settings);
    for (id, wasm, pool_size) in [
        ("p2", "http-p2.wasm", 0),
        ("p3", "http-p3.wasm", 0),
        ("shared", "http-p3.wasm", 1),
    ] {
        ground
            .start(&workload(id, wasm, json!({"pool_size": pool_size})))
            .await;
    }
    ground
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_breaks_off_the_body_even_of_a_guest_that_went_elsewhere() {
    let ground = all(json!({})).await;
    for id in ALL {
        // Whether the end of the body or the trap is seen first is a matter of luck unless it is seen to.
        for turn in 0..6 {
            let answer = ground.get(&format!("{id}.test"), "/break?ms=300").await;
            assert_eq!(answer.status, 200);
            assert!(answer.body.is_err(), "{id} in turn {turn}: {:?}", answer.body);
        }
        assert_eq!(ground.status_of(id)["traps_total"], 6);
    }
    ground.alive_becomes(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_before_the_head_is_sent_is_500() {
    let ground = all(json!({})).await;
    for id in ALL {
        let answer = ground.get(&format!("{id}.test"), "/break?ms=0").await;
        assert_eq!(answer.said(), (500, format!("workload default/{id} failed\n")));
        assert_eq!(ground.status_of(id)["traps_total"], 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_loses_its_response_and_frees_the_guest() {
    let ground = all(json!({"request_timeout_s": 1.0})).await;
    let mut clients = Vec::new();
    for id in ALL {
        let mut stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
            .await
            .unwrap();
        let head = format!("GET /big?bytes=100000000 HTTP/1.1\r\nhost: {id}.test\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        ground.in_flight_becomes(id, 1).await;
        clients.push(stream);
    }
    for id in ALL {
        ground.in_flight_becomes(id, 0).await;
    }
    // The one that is shared has done nothing wrong and waits for its next request.
    ground.alive_becomes(1).await;
    for mut client in clients {
        let mut seen = Vec::new();
        let ended = tokio::time::timeout(ground::DEADLINE, client.read_to_end(&mut seen)).await;
        assert!(ended.is_ok(), "the connection is closed");
        assert!(!seen.ends_with(b"0\r\n\r\n"), "a body that was cut has no end");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_http_2_without_a_window_frees_the_guest() {
    let ground = all(json!({"request_timeout_s": 1.0})).await;
    for id in ALL {
        let stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
            .await
            .unwrap();
        let (mut sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(0)
            .handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("http://{id}.test/big?bytes=3000000"))
            .body(Full::<Bytes>::default())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        ground.in_flight_becomes(id, 1).await;
        ground.in_flight_becomes(id, 0).await;
        drop(answer);
    }
    ground.alive_becomes(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_cuts_off_what_has_no_end() {
    let ground = all(json!({"request_timeout_s": 1.0})).await;
    for id in ALL {
        let mut client = ground.client().await;
        let host = format!("{id}.test");
        let ticks = tokio::spawn(async move { client.get(&host, "/tick?ms=20").await });
        ground.in_flight_becomes(id, 1).await;
        assert!(ground.engine.stop_workload(id).await);
        ground.alive_becomes(0).await;
        let answer = ticks.await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(answer.body.is_err(), "{id}: {:?}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_body_says_its_length() {
    let ground = all(json!({})).await;
    let stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    for (method, length) in [("GET", 19), ("HEAD", 0)] {
        let request = Request::builder()
            .method(method)
            .uri("/")
            .header("host", "shared.test")
            .body(Full::<Bytes>::default())
            .unwrap();
        // The last answer may be read before the client's side is done with it.
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.headers()["content-length"], "19", "{method}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), length, "{method}");
    }
}

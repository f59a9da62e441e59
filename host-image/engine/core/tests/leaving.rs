//! What goes away: a workload, a name, the engine. Nobody who asked in time is turned away.

mod ground;

use bytes::Bytes;
use ground::{engine, eventually, workload};
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_for_requests_in_flight() {
    let ground = engine(json!({}));
    ground.start(&workload("w", "http-p2.wasm", json!({}))).await;
    let mut client = ground.client().await;
    let request = tokio::spawn(async move { client.get("w.test", "/sleep?ms=2000").await });
    ground.in_flight_becomes("w", 1).await;
    assert!(ground.engine.stop_workload("w").await);
    assert!(request.is_finished() || request.await.unwrap().status == 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_goes_ends_the_connections_it_was_asked_over() {
    let ground = engine(json!({}));
    for name in ["goes", "stays"] {
        ground.start(&workload(name, "http-p2.wasm", json!({}))).await;
    }
    let mut idle = ground.client().await;
    let mut busy = ground.client().await;
    let mut other = ground.client().await;
    for (client, host) in [
        (&mut idle, "goes.test"),
        (&mut busy, "goes.test"),
        (&mut other, "stays.test"),
    ] {
        assert_eq!(client.get(host, "/").await.status, 200);
    }
    let request = tokio::spawn(async move { busy.get("goes.test", "/sleep?ms=2000").await });
    ground.in_flight_becomes("goes", 1).await;
    assert!(ground.engine.stop_workload("goes").await);
    let answer = request.await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["connection"]),
        (200, &"close".parse().unwrap())
    );
    eventually(async || {
        if idle.is_closed().await {
            Ok(())
        } else {
            Err("open")
        }
    })
    .await;
    assert_eq!(other.get("stays.test", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_goes_ends_http_2_connections_when_their_requests_are_answered() {
    let ground = engine(json!({}));
    ground.start(&workload("goes", "http-p2.wasm", json!({}))).await;
    let stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
        .await
        .unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://goes.test/sleep?ms=2000")
        .body(Full::<Bytes>::default())
        .unwrap();
    let asked = tokio::spawn(sender.send_request(request));
    ground.in_flight_becomes("goes", 1).await;
    assert!(ground.engine.stop_workload("goes").await);
    assert_eq!(asked.await.unwrap().unwrap().status(), StatusCode::OK);
    // GOAWAY without an error: the client's side ends by itself, and asks for nothing more over it.
    tokio::time::timeout(ground::DEADLINE, connection)
        .await
        .expect("the connection is still open")
        .unwrap()
        .unwrap();
    assert!(sender.ready().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_stop_at_once_turn_nobody_away_over_a_kept_connection() {
    let ground = engine(json!({}));
    let ids = ["1", "2", "3", "4"];
    for id in ids {
        let mut spec = workload(id, "http-p2.wasm", json!({}));
        spec["hosts"] = json!(["shared.test"]);
        ground.start(&spec).await;
    }
    // Each has asked once before anything stops: a name that is gone is 404 to one who comes only then.
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = ground.client().await;
        assert_eq!(client.get("shared.test", "/").await.status, 200);
        clients.push(client);
    }
    let clients = clients.into_iter().map(async |mut client| {
        let mut count = 0;
        while !client.is_closed().await {
            assert_eq!(
                client.get("shared.test", "/").await.status,
                200,
                "request {count}"
            );
            count += 1;
        }
    });
    let stops = async {
        eventually(
            async || match ground.status_of("1")["responses"]["2xx"].as_u64() {
                Some(count) if count > 20 => Ok(()),
                other => Err(other),
            },
        )
        .await;
        futures_util::future::join_all(ids.map(|id| ground.engine.stop_workload(id))).await
    };
    let (_, stopped) = tokio::join!(futures_util::future::join_all(clients), stops);
    assert_eq!(stopped, [true; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn shutdown_answers_what_is_in_flight_and_closes_the_door() {
    let ground = engine(json!({}));
    ground.start(&workload("w", "http-p2.wasm", json!({}))).await;
    let (mut client, _idle) = (ground.client().await, ground.client().await);
    let request = tokio::spawn(async move { client.get("w.test", "/sleep?ms=2000").await });
    ground.in_flight_becomes("w", 1).await;
    ground.engine.shutdown(ground::DEADLINE).await;
    assert_eq!(request.await.unwrap().status, 200);
    assert!(
        TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
            .await
            .is_err()
    );
    assert_eq!(ground.engine.status()["connections"], 0);
}

//! What guests may reach, against servers on the loopback.

mod ground;

use std::net::SocketAddr;

use ground::{Ground, engine, escaped, workload};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const BOTH: [&str; 2] = ["http-p2", "http-p3"];

/// A server that answers every request with `answer`. It is on an address of the machine's loopback that is not taken
/// for the workload's own, and the tests' host leaves special ranges open.
async fn server(answer: &'static str) -> SocketAddr {
    server_at("127.0.0.2:0", answer).await
}

async fn server_at(address: &str, answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while stream.read(&mut request).await.is_ok_and(|count| count > 0) {
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

async fn fetch(ground: &Ground, id: &str, url: &str) -> (u16, String) {
    ground
        .get(&format!("{id}.test"), &format!("/fetch?url={}", escaped(url)))
        .await
        .said()
}

/// Both guests with these lists, on a host with these settings.
async fn both(settings: Value, lists: Value) -> Ground {
    let ground = engine(settings);
    for name in BOTH {
        ground
            .start(&workload(name, &format!("{name}.wasm"), lists.clone()))
            .await;
    }
    ground
}

fn denied() -> (u16, String) {
    (502, "HTTP-request-denied".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_out_by_default() {
    let address = server(HELLO).await;
    let ground = both(json!({}), json!({})).await;
    for name in BOTH {
        for _ in 0..3 {
            assert_eq!(
                fetch(&ground, name, &format!("http://{address}/")).await,
                denied()
            );
        }
        let counted = &ground.status_of(name)["egress_denied"];
        assert_eq!(counted, &json!({(format!("http://{address}")): 3}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_opens_what_it_names_and_no_more() {
    let (address, other) = (server(HELLO).await, server(HELLO).await);
    let ground = both(json!({}), json!({"allowed_hosts": [format!("http://{address}")]})).await;
    for name in BOTH {
        assert_eq!(
            fetch(&ground, name, &format!("http://{address}/x?y=z")).await,
            (200, "hello".into())
        );
        assert_eq!(fetch(&ground, name, &format!("http://{other}/")).await, denied());
        assert_eq!(
            fetch(&ground, name, &format!("https://{address}/")).await,
            denied()
        );
        assert_eq!(
            fetch(&ground, name, &format!("http://127.0.0.3:{}/", address.port())).await,
            denied()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_rules_stand_in_for_a_workload_without_any() {
    let address = server(HELLO).await;
    let ground = both(json!({"default_allowed_hosts": [address.to_string()]}), json!({})).await;
    let own = json!({"allowed_hosts": ["elsewhere.example"]});
    ground.start(&workload("own", "http-p2.wasm", own)).await;
    assert_eq!(
        fetch(&ground, "http-p2", &format!("http://{address}/")).await,
        (200, "hello".into())
    );
    assert_eq!(
        fetch(&ground, "own", &format!("http://{address}/")).await,
        denied()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_rule_opens_the_machines_loopback_whatever_it_is_called() {
    let port = server_at("127.0.0.1:0", HELLO).await.port();
    let lists = json!({"allowed_hosts": ["*", "localhost", "127.0.0.1"], "allowed_ip_name_lookups": ["*"]});
    for allow_special_ranges in [false, true] {
        let ground = both(
            json!({"allow_special_ranges": allow_special_ranges}),
            lists.clone(),
        )
        .await;
        for name in BOTH {
            // These are the workload's own, where nobody listens.
            for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"] {
                let said = fetch(&ground, name, &format!("http://{host}:{port}/")).await;
                assert_eq!(said, (502, "connection-refused".into()), "{name} {host}");
            }
            assert_eq!(
                fetch(&ground, name, &format!("http://0.0.0.0:{port}/")).await,
                denied()
            );
            // 127.1 is no address to us but a name, and whether the resolver takes it for one is the machine's matter.
            let said = fetch(&ground, name, &format!("http://127.1:{port}/")).await;
            assert!(said == denied() || said.1.starts_with("DNS-error"), "{said:?}");
            let connect = format!("/connect?addr=127.0.0.1:{port}");
            assert_eq!(
                ground.get(&format!("{name}.test"), &connect).await.text(),
                "connection-refused"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn special_ranges_are_closed_unless_the_host_opens_them() {
    let address = server(HELLO).await;
    let lists = json!({"allowed_hosts": ["*"]});
    let ground = both(json!({"allow_special_ranges": false}), lists).await;
    for name in BOTH {
        for url in [
            format!("http://{address}/"),
            "http://169.254.169.254/latest/meta-data/".into(),
        ] {
            assert_eq!(fetch(&ground, name, &url).await, denied(), "{url}");
        }
        let connect = format!("/connect?addr={address}");
        assert_eq!(
            ground.get(&format!("{name}.test"), &connect).await.text(),
            "access-denied"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_the_guests_matter() {
    let address =
        server("HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 4\r\n\r\nmove").await;
    let ground = both(json!({}), json!({"allowed_hosts": [address.to_string()]})).await;
    for name in BOTH {
        assert_eq!(
            fetch(&ground, name, &format!("http://{address}/")).await,
            (302, "move".into())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_their_own_codes() {
    let closed = TcpListener::bind("127.0.0.2:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let broken = server("not HTTP at all\r\n\r\n").await;
    let plain = server(HELLO).await;
    let ground = both(json!({}), json!({"allowed_hosts": ["*"]})).await;
    for name in BOTH {
        assert_eq!(
            fetch(&ground, name, &format!("http://{closed}/")).await,
            (502, "connection-refused".into())
        );
        assert_eq!(
            fetch(&ground, name, &format!("http://{broken}/")).await,
            (502, "HTTP-protocol-error".into())
        );
        assert_eq!(
            fetch(&ground, name, &format!("https://{plain}/")).await,
            (502, "TLS-protocol-error".into())
        );
        let (status, code) = fetch(&ground, name, "http://no-such-name.invalid/").await;
        assert!(status == 502 && code.starts_with("DNS-error"), "{code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sockets_need_a_rule_and_names_need_theirs() {
    let address = server(HELLO).await;
    let closed = both(json!({}), json!({})).await;
    let lists = json!({"allowed_hosts": [address.to_string()], "allowed_ip_name_lookups": ["127.0.0.2"]});
    let open = both(json!({}), lists).await;
    for name in BOTH {
        let host = format!("{name}.test");
        let connect = format!("/connect?addr={address}");
        assert_eq!(closed.get(&host, &connect).await.text(), "access-denied");
        assert_eq!(
            closed.get(&host, "/resolve?name=127.0.0.2").await.text(),
            "permanent-resolver-failure"
        );
        assert_eq!(open.get(&host, &connect).await.text(), "connected");
        assert_eq!(
            open.get(&host, "/resolve?name=127.0.0.2").await.text(),
            "127.0.0.2\n"
        );
        assert_eq!(
            open.get(&host, "/resolve?name=example.com").await.text(),
            "permanent-resolver-failure"
        );
        let other = format!("/connect?addr=127.0.0.2:{}", open.engine.http_port());
        assert_eq!(open.get(&host, &other).await.text(), "access-denied");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_entries_refuse_the_workload() {
    let ground = engine(json!({}));
    let lists = json!({"allowed_hosts": ["*foo"], "allowed_ip_name_lookups": ["a:1"], "allowed_host_loopback_ports": ["0"]});
    let error = ground
        .try_start(&workload("w", "http-p2.wasm", lists))
        .await
        .unwrap_err();
    assert_eq!(error.kind.name(), "egress");
    assert!(
        error
            .message
            .starts_with("invalid local_resources for component guest: invalid allowed_hosts: "),
        "{error}"
    );
    for part in ["\"*foo\": wildcard", "\"a:1\": a port", "\"0\" is not a number"] {
        assert!(error.message.contains(part), "{error} lacks {part}");
    }
}

//! TLS on the listener: the protocol is agreed on by ALPN.

mod ground;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bytes::Bytes;
use ground::{Ground, engine, workload};
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate for 127.0.0.1 that signed itself.
fn make_certificate(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
        ])
        .args([
            "-keyout", "tls.key", "-out", "tls.crt", "-subj", "/CN=test", "-days", "2",
        ])
        .args([
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=critical,CA:false",
        ])
        .current_dir(folder)
        .output()
        .expect("openssl is needed to run this test: install it (Debian: apt-get install openssl)");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

async fn https(folder: &Path) -> Ground {
    make_certificate(folder);
    let ground = engine(json!({
        "http_tls_cert_path": folder.join("tls.crt"), "http_tls_key_path": folder.join("tls.key"),
    }));
    ground.start(&workload("w", "http-p2.wasm", json!({}))).await;
    ground
}

/// A connection by a client that offers these protocols.
async fn connect(ground: &Ground, folder: &Path, alpn: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(folder.join("tls.crt")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
        .await
        .unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn alpn_chooses_http_2_or_http_1() {
    let folder = ground::folder();
    let ground = https(&folder).await;
    let stream = connect(&ground, &folder, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://w.test/")
        .body(Full::<Bytes>::default())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (200, Version::HTTP_2)
    );
    assert_eq!(
        answer.into_body().collect().await.unwrap().to_bytes(),
        "hello from http-p2\n"
    );

    for offered in [&["http/1.1"][..], &[]] {
        let stream = connect(&ground, &folder, offered).await;
        assert_eq!(
            stream.get_ref().1.alpn_protocol(),
            offered.first().map(|p| p.as_bytes())
        );
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/")
            .header("host", "w.test")
            .body(Full::<Bytes>::default())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.version()),
            (200, Version::HTTP_11)
        );
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_never_begins_tls_does_not_hold_up_the_end() {
    let folder = ground::folder();
    let ground = https(&folder).await;
    let _silent = TcpStream::connect(("127.0.0.1", ground.engine.http_port()))
        .await
        .unwrap();
    ground::eventually(async || match ground.engine.status()["connections"].as_u64() {
        Some(1) => Ok(()),
        other => Err(other),
    })
    .await;
    ground.engine.shutdown(ground::DEADLINE).await;
    assert_eq!(ground.engine.status()["connections"], 0);
    let _ = std::fs::remove_dir_all(folder);
}

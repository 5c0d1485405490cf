//! The client against a server that says exactly what a test tells it to.
#![allow(clippy::unwrap_used)]

use ashlar_api::{
    ApiError, Client, ClientError, Connection, MAX_RESPONSE, Refusal, cluster::SwarmJoinRequest,
    route,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Reads one request up to the end of its declared body, and returns it as text.
async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut seen = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let n = stream.read(&mut chunk).await.unwrap();
        assert_ne!(n, 0, "client hung up: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
    }
}

async fn respond(stream: &mut (impl AsyncWriteExt + Unpin), status: &str, body: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
}

async fn connected() -> (Connection, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(4096);
    (Connection::over(ours).await.unwrap(), theirs)
}

#[tokio::test]
async fn two_messages_travel_over_one_connection() {
    let (mut client, mut server) = connected().await;
    let serve = tokio::spawn(async move {
        let hello = read_request(&mut server).await;
        assert!(hello.starts_with("POST /v1/enrol/hello HTTP/1.1"), "{hello}");
        assert!(hello.ends_with("hello"), "{hello}");
        respond(&mut server, "200 OK", "challenge").await;
        let proof = read_request(&mut server).await;
        assert!(proof.starts_with("POST /v1/enrol/proof HTTP/1.1"), "{proof}");
        respond(&mut server, "200 OK", "grant").await;
    });
    let send = |m: &str| m.as_bytes().to_vec();
    let challenge =
        client.post_message(route::ENROL_HELLO, route::ENROL_TYPE, send("hello")).await.unwrap();
    assert_eq!(challenge, b"challenge");
    let grant =
        client.post_message(route::ENROL_PROOF, route::ENROL_TYPE, send("proof")).await.unwrap();
    assert_eq!(grant, b"grant");
    serve.await.unwrap();
}

#[tokio::test]
async fn a_refusal_reaches_the_caller_with_its_hint() {
    let (mut client, mut server) = connected().await;
    let refusal = ApiError::new(Refusal::AskAnother, "no manager here").hint("ask a manager");
    let body = serde_json::to_string(&refusal).unwrap();
    let serve = tokio::spawn(async move {
        let request = read_request(&mut server).await;
        assert!(request.ends_with(r#"{"role":"manager"}"#), "{request}");
        respond(&mut server, "421 Misdirected Request", &body).await;
    });
    let ask = SwarmJoinRequest { role: ashlar_api::SwarmRole::Manager };
    let error = client.post::<_, ()>(route::SWARM_JOIN, &ask).await.unwrap_err();
    assert_eq!(error.refusal(), Some(&refusal));
    serve.await.unwrap();
}

#[tokio::test]
async fn a_refusal_that_is_not_ours_is_still_reported() {
    let (mut client, mut server) = connected().await;
    tokio::spawn(async move {
        read_request(&mut server).await;
        respond(&mut server, "502 Bad Gateway", "<html>").await;
    });
    let error = client.get::<()>("/v1/status").await.unwrap_err().to_string();
    assert!(error.contains("502"), "{error}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let (mut client, mut server) = connected().await;
    tokio::spawn(async move {
        read_request(&mut server).await;
        respond(&mut server, "200 OK", &"x".repeat(MAX_RESPONSE + 1)).await;
    });
    let error = client.get::<()>("/v1/status").await.unwrap_err();
    assert!(matches!(error, ClientError::TooLong { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_agent_is_not_waited_for_for_ever() {
    let (client, _server) = connected().await;
    let mut client = client.deadline(Duration::from_secs(3));
    let error = client.get::<()>("/v1/status").await.unwrap_err();
    assert!(matches!(error, ClientError::Late { .. }), "{error}");
}

#[tokio::test]
async fn a_hang_up_and_nonsense_are_errors_that_name_the_address() {
    let (mut client, server) = connected().await;
    drop(server);
    let error = client.get::<()>("/v1/status").await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }), "{error}");

    let (mut client, mut server) = connected().await;
    tokio::spawn(async move {
        read_request(&mut server).await;
        respond(&mut server, "200 OK", "{\"release\":7}").await;
    });
    let error = client.get::<ashlar_api::Status>("/v1/status").await.unwrap_err().to_string();
    assert!(error.starts_with("/v1/status: cannot read the answer"), "{error}");
}

#[tokio::test]
async fn an_absent_agent_is_named_by_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agent.sock");
    let error = Client::at(&socket).status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }));
    assert!(error.to_string().contains("agent.sock"), "{error}");
}

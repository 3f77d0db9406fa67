//! The sockets, on loopback, and the API's lists from a server that speaks as it does.

use std::time::Duration;

use demodns::{Shared, follow, health, serve_tcp, serve_udp};
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use k8s_openapi::api::core::v1::{Endpoints, Service};
use kube::{Client, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;

const SERVICES: &str = r#"{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[
    {"metadata":{"name":"web","namespace":"default"},"spec":{"type":"ClusterIP","clusterIP":"10.43.0.7"}}]}"#;
const NONE: &str = r#"{"kind":"EndpointsList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[]}"#;
const ADDED: &str = r#"{"type":"ADDED","object":{"kind":"Service","apiVersion":"v1","metadata":{"name":"late",
    "namespace":"default","resourceVersion":"6"},"spec":{"type":"ClusterIP","clusterIP":"10.43.0.8"}}}"#;

/// An API with one service, another that is added while it is watched, and no endpoints.
async fn api(listener: TcpListener) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut bytes = vec![0; 8192];
            let length = stream.read(&mut bytes).await.unwrap();
            let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
            let services = head.starts_with("GET /api/v1/services");
            let body = match (head.contains("watch=true"), services) {
                (false, true) => SERVICES.to_owned(),
                (false, false) => NONE.to_owned(),
                (true, true) => ADDED.replace('\n', "") + "\n",
                (true, false) => String::new(),
            };
            let watch = head.contains("watch=true");
            let length = if watch { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{length}Connection: close\r\n\r\n{body}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            if watch {
                tokio::time::sleep(Duration::from_secs(30)).await;
            }
        });
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut question = Message::new(7, MessageType::Query, OpCode::Query);
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    question.to_vec().unwrap()
}

async fn by_datagram(to: &UdpSocket, name: &str) -> Message {
    let mut bytes = [0; 1500];
    to.send(&question(name)).await.unwrap();
    let length = timeout(Duration::from_secs(5), to.recv(&mut bytes)).await.unwrap().unwrap();
    Message::from_vec(&bytes[..length]).unwrap()
}

#[tokio::test]
async fn it_answers_by_both_protocols_what_the_api_says_now() {
    let listener = || TcpListener::bind("127.0.0.1:0");
    let (server, tcp, probes) = (listener().await.unwrap(), listener().await.unwrap(), listener().await.unwrap());
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (url, tcp_at, udp_at) = (server.local_addr().unwrap(), tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let probes_at = probes.local_addr().unwrap();
    let shared = Shared::new("cluster.local");
    tokio::spawn(serve_udp(udp, shared.clone()));
    tokio::spawn(serve_tcp(tcp, shared.clone()));
    tokio::spawn(health(probes, shared.clone()));
    assert!(probe(probes_at).await.starts_with("HTTP/1.1 503"));

    tokio::spawn(api(server));
    let client = Client::try_from(Config::new(format!("http://{url}").parse().unwrap())).unwrap();
    tokio::spawn(follow::<Service>(client.clone(), shared.clone(), |_| {}));
    tokio::spawn(follow::<Endpoints>(client, shared.clone(), |_| {}));

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(udp_at).await.unwrap();
    let late = "late.default.svc.cluster.local.";
    for _ in 0..100 {
        if by_datagram(&socket, late).await.metadata.response_code == ResponseCode::NoError {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(by_datagram(&socket, late).await.answers[0].data.to_string(), "10.43.0.8");
    assert!(probe(probes_at).await.starts_with("HTTP/1.1 200"));

    let mut stream = TcpStream::connect(tcp_at).await.unwrap();
    for (name, code) in
        [("web.default.svc.cluster.local.", ResponseCode::NoError), ("a.example.", ResponseCode::Refused)]
    {
        let asked = question(name);
        stream.write_u16(asked.len().try_into().unwrap()).await.unwrap();
        stream.write_all(&asked).await.unwrap();
        let mut bytes = vec![0; stream.read_u16().await.unwrap().into()];
        stream.read_exact(&mut bytes).await.unwrap();
        assert_eq!(Message::from_vec(&bytes).unwrap().metadata.response_code, code);
    }
}

async fn probe(at: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(b"GET /ready HTTP/1.1\r\n\r\n").await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

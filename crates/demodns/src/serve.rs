//! Sockets: questions by datagram and by stream, and a page for the kubelet's probes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::answer::reply;
use crate::zone::Shared;

/// How long a client of a stream may be silent, and how many there may be at a time.
const SILENCE: Duration = Duration::from_secs(10);
const STREAMS: usize = 100;

/// Answers datagrams, for ever.
pub async fn serve_udp(socket: UdpSocket, shared: Shared) {
    let mut bytes = vec![0; 4096];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut bytes).await else { continue };
        let answer = reply(&shared.read().0, &bytes[..length], true);
        if let Some(answer) = answer {
            let _unheard = socket.send_to(&answer, from).await; // the client asks again
        }
    }
}

/// Answers streams, for ever: each message behind its length in two bytes.
pub async fn serve_tcp(listener: TcpListener, shared: Shared) {
    let room = Arc::new(Semaphore::new(STREAMS));
    loop {
        let (Ok((stream, _)), Ok(seat)) = (listener.accept().await, Arc::clone(&room).acquire_owned().await) else {
            continue;
        };
        let shared = shared.clone();
        tokio::spawn(async move {
            let _seat = seat;
            let _end = conversation(stream, &shared).await; // however it ends, the client knows
        });
    }
}

async fn conversation(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    loop {
        let length = timeout(SILENCE, stream.read_u16()).await??;
        let mut bytes = vec![0; usize::from(length)];
        timeout(SILENCE, stream.read_exact(&mut bytes)).await??;
        let answer = reply(&shared.read().0, &bytes, false);
        let Some(answer) = answer else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat()).await?;
    }
}

/// Says 200 once every list has been read, 503 before, whatever is asked.
pub async fn health(listener: TcpListener, shared: Shared) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { continue };
        let (code, word) = if shared.ready() { ("200 OK", "OK") } else { ("503 Service Unavailable", "starting") };
        let page = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{word}", word.len());
        let _unheard = timeout(SILENCE, async {
            let mut question = [0; 1024];
            let _read = stream.read(&mut question).await?;
            stream.write_all(page.as_bytes()).await
        })
        .await;
    }
}

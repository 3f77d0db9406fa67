//! One download over HTTPS, which goes on where it broke off.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Client, StatusCode};
use steps::{Event, Sink, innermost};

use crate::artifact::{compare, hash};
use crate::{Artifact, ArtifactError, Pin};

/// How often a broken connection is taken up again without having brought anything.
const TRIES: u32 = 3;
/// Silence after which a transfer counts as broken.
const STALLED: Duration = Duration::from_secs(30);
const REPORT_EVERY: u64 = 8 << 20;

/// Downloads `url` to `target` by way of `TARGET.part`.
pub(crate) async fn to(
    target: &Path,
    pin: &Pin,
    url: &str,
    ca_pem: Option<&str>,
    sink: &dyn Sink,
) -> Result<Artifact, ArtifactError> {
    let client = client(ca_pem).map_err(|e| unreachable(pin, url, &e))?;
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let write = || ArtifactError::file(&part, "write");
    fs::create_dir_all(target.parent().unwrap_or(Path::new("."))).map_err(write())?;
    let mut options = File::options();
    let mut file = options.create(true).truncate(false).read(true).write(true).open(&part).map_err(write())?;
    let mut failures = 0;
    let earlier = file.metadata().is_ok_and(|m| m.len() > 0);
    loop {
        let before = file.seek(SeekFrom::End(0)).map_err(write())?;
        if before > pin.size {
            file.set_len(0).map_err(write())?;
            continue;
        }
        if before == pin.size {
            break;
        }
        match go_on(&client, &mut file, before, pin, url, sink).await {
            Ok(()) => {}
            Err(Broken::File(source)) => return Err(write()(source)),
            Err(Broken::Refused(error)) => return Err(error),
            Err(Broken::Connection(why)) => {
                let more = file.seek(SeekFrom::End(0)).map_err(write())? > before;
                failures = if more { 0 } else { failures + 1 };
                if failures == TRIES {
                    return Err(ArtifactError::Unreachable { name: pin.name.clone(), url: url.to_owned(), why });
                }
                tokio::time::sleep(Duration::from_millis(200) * failures).await;
            }
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(write())?;
    let (got, size) = hash(&mut file).map_err(ArtifactError::file(&part, "read"))?;
    if let Err(error) = compare(&pin.name, url, Some(&pin.sha256), &got) {
        drop(file);
        let _ = fs::remove_file(&part);
        // What was there before may have been the beginning of another version.
        return if earlier { Box::pin(to(target, pin, url, ca_pem, sink)).await } else { Err(error) };
    }
    file.sync_all().map_err(write())?;
    drop(file);
    fs::rename(&part, target).map_err(ArtifactError::file(target, "write"))?;
    Ok(Artifact::verified(target, size, got))
}

enum Broken {
    /// Worth another try.
    Connection(String),
    /// The server will not give what the pin asks for.
    Refused(ArtifactError),
    File(std::io::Error),
}

async fn go_on(
    client: &Client,
    file: &mut File,
    offset: u64,
    pin: &Pin,
    url: &str,
    sink: &dyn Sink,
) -> Result<(), Broken> {
    let mut request = client.get(url);
    if offset > 0 {
        request = request.header(RANGE, format!("bytes={offset}-"));
    }
    let response = request.send().await.map_err(|e| Broken::Connection(innermost(&e)))?;
    let status = response.status();
    if status.is_server_error() {
        return Err(Broken::Connection(status.to_string()));
    }
    let range = response.headers().get(CONTENT_RANGE).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let mut done = match status {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if range.is_some_and(|r| r.starts_with(&format!("bytes {offset}-"))) => offset,
        _ => {
            let (name, url, why) = (pin.name.clone(), url.to_owned(), status.to_string());
            return Err(Broken::Refused(ArtifactError::Unreachable { name, url, why }));
        }
    };
    let total = response.content_length().map(|left| done + left);
    if let Some(got) = total.filter(|total| *total != pin.size) {
        let (name, origin) = (pin.name.clone(), url.to_owned());
        return Err(Broken::Refused(ArtifactError::WrongSize { name, origin, wanted: pin.size, got }));
    }
    file.set_len(done).and_then(|()| file.seek(SeekFrom::Start(done))).map_err(Broken::File)?;
    let mut told = done;
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|e| Broken::Connection(innermost(&e)))?;
        done += piece.len() as u64;
        if done > pin.size {
            file.set_len(0).map_err(Broken::File)?;
            let (name, origin) = (pin.name.clone(), url.to_owned());
            return Err(Broken::Refused(ArtifactError::WrongSize { name, origin, wanted: pin.size, got: done }));
        }
        file.write_all(&piece).map_err(Broken::File)?;
        if done - told >= REPORT_EVERY || done == pin.size {
            told = done;
            sink.emit(Event::Progress { step: pin.name.clone(), done, total: Some(pin.size), unit: "bytes" });
        }
    }
    if done < pin.size { Err(Broken::Connection(format!("ended after {done} bytes"))) } else { Ok(()) }
}

fn client(ca_pem: Option<&str>) -> reqwest::Result<Client> {
    let builder = Client::builder().https_only(true).connect_timeout(Duration::from_secs(15)).read_timeout(STALLED);
    match ca_pem {
        Some(pem) => builder.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes())?]).build(),
        None => builder.build(),
    }
}

fn unreachable(pin: &Pin, url: &str, error: &reqwest::Error) -> ArtifactError {
    ArtifactError::Unreachable { name: pin.name.clone(), url: url.to_owned(), why: innermost(error) }
}

//! One blob from where it is: in pieces, over broken connections, its digest checked before the last piece goes on.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Run;
use super::origin::Origin;
use super::partial::Partial;
use super::transport::Trouble;
use crate::digest::Hasher;
use crate::{Digest, RegistryError};

/// Pieces between a source and a registry.
const AHEAD: usize = 2;

/// A blob that is wanted.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// Where pieces go on to, without the first `skip` bytes.
pub(super) struct Onward {
    to: mpsc::Sender<std::io::Result<Bytes>>,
    skip: u64,
    held: Option<Bytes>,
}

/// Why a blob did not come through.
pub(super) enum Stopped {
    /// Nobody takes the pieces any more.
    Downstream,
    Failed(RegistryError),
}

impl From<RegistryError> for Stopped {
    fn from(error: RegistryError) -> Self {
        Self::Failed(error)
    }
}

impl Onward {
    pub(super) fn new(skip: u64) -> (Self, mpsc::Receiver<std::io::Result<Bytes>>) {
        let (to, from) = mpsc::channel(AHEAD);
        (Self { to, skip, held: None }, from)
    }

    /// Passes on the piece before this one: the last is held back until the digest is known to be right.
    async fn pass(&mut self, mut piece: Bytes) -> Result<(), Stopped> {
        let skipped = piece.len().min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        self.skip -= skipped as u64;
        let piece = piece.split_off(skipped);
        if piece.is_empty() {
            return Ok(());
        }
        match self.held.replace(piece) {
            Some(before) => self.to.send(Ok(before)).await.map_err(|_| Stopped::Downstream),
            None => Ok(()),
        }
    }

    async fn end(&mut self) -> Result<(), Stopped> {
        match self.held.take() {
            Some(last) => self.to.send(Ok(last)).await.map_err(|_| Stopped::Downstream),
            None => Ok(()),
        }
    }
}

/// Reads a blob through: first what `partial` has of it, then the rest from its origin, which also goes into
/// `partial`. A connection that breaks is taken up where it broke.
pub(super) async fn feed(
    run: &Run,
    origin: &Origin,
    wanted: &Wanted,
    partial: &mut Option<Partial>,
    mut onward: Option<Onward>,
) -> Result<(), Stopped> {
    let mut hasher = Hasher::new(wanted.digest.algorithm());
    let mut at = 0;
    if let Some(partial) = partial.as_mut() {
        if partial.len() > wanted.size {
            partial.clear()?;
        }
        partial.rewind()?;
        loop {
            let piece = partial.read()?;
            if piece.is_empty() {
                break;
            }
            hasher.update(&piece);
            if let Some(onward) = &mut onward {
                onward.pass(piece).await?;
            }
        }
        at = partial.len();
    }
    let mut failures = 0;
    while at < wanted.size {
        let before = at;
        let ended = piece_by_piece(run, origin, wanted, &mut at, &mut hasher, partial, &mut onward).await;
        match ended {
            Ok(()) => {}
            Err(Broken::Stopped(stopped)) => return Err(stopped),
            Err(Broken::Trouble(Trouble::Lasting(error) | Trouble::Lost(error))) => return Err(error.into()),
            Err(Broken::Trouble(Trouble::Passing(error, asked))) => {
                failures = if at > before { 0 } else { failures + 1 };
                if failures > run.retry.times {
                    return Err(error.into());
                }
                tracing::info!(%error, at, "a blob is taken up again");
                tokio::time::sleep(run.retry.pause(failures, asked)).await;
            }
        }
    }
    let got = hasher.finish();
    if got != wanted.digest {
        if let Some(partial) = partial.take() {
            partial.discard();
        }
        let what = format!("a layer or config of {}", origin.name());
        let (wanted, got) = (wanted.digest.to_string(), got.to_string());
        return Err(RegistryError::DigestMismatch { what, wanted, got }.into());
    }
    match &mut onward {
        Some(onward) => onward.end().await,
        None => Ok(()),
    }
}

enum Broken {
    Trouble(Trouble),
    Stopped(Stopped),
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<RegistryError> for Broken {
    fn from(error: RegistryError) -> Self {
        Self::Stopped(error.into())
    }
}

async fn piece_by_piece(
    run: &Run,
    origin: &Origin,
    wanted: &Wanted,
    at: &mut u64,
    hasher: &mut Hasher,
    partial: &mut Option<Partial>,
    onward: &mut Option<Onward>,
) -> Result<(), Broken> {
    let (mut reading, mut from) = origin.open(&wanted.digest, *at).await?;
    while let Some(mut piece) = reading.next().await? {
        if let Some(limit) = &run.limit {
            limit.take(piece.len()).await;
        }
        // A server that knows no ranges sends again what is here already.
        let known = usize::try_from(*at - from).unwrap_or(usize::MAX).min(piece.len());
        from += known as u64;
        let piece = piece.split_off(known);
        if piece.is_empty() {
            continue;
        }
        let left = wanted.size - *at;
        if piece.len() as u64 > left {
            let what = format!("a layer or config of {}", origin.name());
            let (wanted, got) = (wanted.digest.to_string(), format!("more than {} bytes", wanted.size));
            return Err(RegistryError::DigestMismatch { what, wanted, got }.into());
        }
        hasher.update(&piece);
        if let Some(partial) = partial {
            partial.append(&piece)?;
        }
        *at += piece.len() as u64;
        from = *at;
        run.meter.moved(piece.len() as u64);
        if let Some(onward) = onward {
            onward.pass(piece).await.map_err(Broken::Stopped)?;
        }
    }
    if *at < wanted.size {
        let error = RegistryError::NotAnImage {
            origin: origin.name(),
            why: format!("{} ends after {at} of {} bytes", wanted.digest, wanted.size),
        };
        return Err(match origin {
            Origin::Remote { .. } => Trouble::Passing(error, None).into(),
            _ => error.into(),
        });
    }
    Ok(())
}

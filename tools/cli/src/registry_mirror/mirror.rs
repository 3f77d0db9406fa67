//! `registry-mirror mirror`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use registry_mirror::{
    Credentials, Image, MirrorReport, Options, Platforms, RegistryError, Source, Store, Target, mirror_to, names_in,
};
use serde::Serialize;
use steps::{Event, Sink};

use super::profile::Chosen;
use super::read;
use crate::{Ended, Failure, Ui, exit};

#[derive(Debug, clap::Args)]
pub(super) struct Mirror {
    #[command(flatten)]
    target: To,
    #[command(flatten)]
    how: How,
    /// File with one image a line
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Take images that are named without a file from here: a registry (`http://` in front for one without TLS) or
    /// the folder of a store
    #[arg(long, value_name = "REGISTRY")]
    from: Option<String>,
    #[command(flatten)]
    profile: Chosen,
    /// Lock file: images must have the digests in it, and what the target has under them is not asked for elsewhere
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Images: a docker archive, an OCI layout, or a name in a registry; `NAME=SOURCE` keeps it under another name
    #[arg(value_name = "IMAGE", required_unless_present_any = ["list", "profile"])]
    images: Vec<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct To {
    /// Bring them into the store in this folder
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Bring them into this registry, HOST:PORT or HOST:PORT/PREFIX; `http://` in front for one without TLS
    #[arg(long, value_name = "REGISTRY")]
    to: Option<String>,
    /// Write them into this file, an OCI layout in a tar
    #[arg(long, value_name = "FILE")]
    tar: Option<PathBuf>,
}

/// How registries are used.
#[derive(Debug, clap::Args)]
pub(super) struct How {
    /// CA to trust for registries, instead of the system's, PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Blobs of one registry under way at a time
    #[arg(long, value_name = "N", default_value_t = 4)]
    parallel: usize,
    /// Tries after the first when a request fails in a way that may pass
    #[arg(long, value_name = "N", default_value_t = 5)]
    retries: u32,
    /// Bytes per second at most: 500K, 20M
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    bandwidth: Option<u64>,
    /// Of images for several platforms, only these: linux/amd64
    #[arg(long = "platform", value_name = "OS/ARCH")]
    platforms: Vec<String>,
    /// With --platform, write new indexes that name only those; their digests change
    #[arg(long, requires = "platforms")]
    rewrite_indexes: bool,
    /// Folder for blobs on their way to a registry
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Logins, as docker keeps them; by default docker's and podman's files
    #[arg(long, value_name = "FILE")]
    auth_file: Option<PathBuf>,
}

impl How {
    pub(super) fn options(self) -> Result<Options, Failure> {
        let platforms = match (self.platforms.is_empty(), self.rewrite_indexes) {
            (true, _) => Platforms::All,
            (false, false) => Platforms::Sparse(self.platforms),
            (false, true) => Platforms::Rewritten(self.platforms),
        };
        let cache = || crate::ui::cache_dir().map(|dir| dir.join("mirror"));
        Ok(Options {
            parallel: self.parallel,
            retries: self.retries,
            bandwidth: self.bandwidth,
            platforms,
            ca_pem: self.ca.as_deref().map(read).transpose()?,
            credentials: self.auth_file.map_or_else(Credentials::of_user, |file| Credentials::in_files([file])),
            scratch: self.scratch.or_else(cache).unwrap_or_else(|| Options::default().scratch),
            ..Options::default()
        })
    }
}

/// `500K`, `20M`, `1G`.
fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = match text.to_ascii_uppercase().trim_end_matches('B') {
        t if t.ends_with('K') => (t.trim_end_matches('K').to_owned(), 10),
        t if t.ends_with('M') => (t.trim_end_matches('M').to_owned(), 20),
        t if t.ends_with('G') => (t.trim_end_matches('G').to_owned(), 30),
        t => (t.to_owned(), 0),
    };
    let number: f64 = number.parse().map_err(|_| "a number, with K, M or G behind it".to_owned())?;
    if !(number.is_finite() && number > 0.0) {
        return Err("more than nothing".into());
    }
    Ok((number * f64::from(1u32 << unit)).round() as u64)
}

#[derive(Serialize)]
pub(super) struct Mirrored {
    changed: usize,
    new: Vec<String>,
    updated: Vec<String>,
    present: Vec<String>,
    failed: Vec<Failed>,
    digests: BTreeMap<String, String>,
    /// Images whose index was replaced by one with fewer platforms, and its former digest.
    rewritten: BTreeMap<String, String>,
    blobs: u64,
    reused_blobs: u64,
    bytes: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct Failed {
    image: String,
    id: &'static str,
    why: String,
}

pub(super) async fn bring(ui: &Ui, args: Mirror) -> Ended {
    let options = args.how.options()?;
    let scratch = args.target.store.clone().unwrap_or_else(|| options.scratch.clone());
    let mut names = args.images;
    if let Some(list) = &args.list {
        let lines = read(list)?;
        names.extend(lines.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')).map(str::to_owned));
    }
    let mut images = Vec::new();
    for name in &names {
        images.extend(wanted(name, args.from.as_deref(), &scratch).await?);
    }
    images.extend(args.profile.images(args.from.as_deref())?);
    if let Some(path) = &args.lock {
        let lock = artifacts::Lock::load(path)?;
        for image in &mut images {
            image.digest = lock.image(&image.reference).and_then(|pin| pin.digest.parse().ok());
        }
    }
    run(ui, &images, args.target, &options).await
}

async fn run(ui: &Ui, images: &[Image], target: To, options: &Options) -> Ended {
    let begun = Instant::now();
    let sink = Rated { ui, begun, last: Mutex::new(Instant::now()) };
    let report = match (target.store, target.to, target.tar) {
        (Some(dir), ..) => mirror_to(images, Target::Store(&Store::open(&dir)?), options, &sink).await?,
        (_, Some(registry), _) => mirror_to(images, Target::Registry(&registry), options, &sink).await?,
        (.., tar) => {
            let tar = tar.unwrap_or_default();
            // What was brought stays beside the tar until it is written, so that a second try goes on.
            let dir = tar.with_extension("parts");
            let store = Store::open(&dir)?;
            let report = mirror_to(images, Target::Store(&store), options, &sink).await?;
            if report.failed.is_empty() {
                store.export(&tar, &report.digests)?;
                let _ = std::fs::remove_dir_all(&dir);
            }
            report
        }
    };
    ended(ui, report, begun.elapsed())
}

/// Prints a report; every failure by name, and the run's end says how many there are.
pub(super) fn ended(ui: &Ui, report: MirrorReport, took: Duration) -> Ended {
    use steps::Problem as _;
    let text = |map: BTreeMap<String, registry_mirror::Digest>| map.into_iter().map(|(k, v)| (k, v.to_string()));
    let total = report.new.len() + report.changed.len() + report.present.len() + report.failed.len();
    let failed = |(image, error): &(String, RegistryError)| Failed {
        image: image.clone(),
        id: error.id(),
        why: error.to_string(),
    };
    let result = Mirrored {
        changed: report.new.len() + report.changed.len(),
        failed: report.failed.iter().map(failed).collect(),
        new: report.new,
        updated: report.changed,
        present: report.present,
        digests: text(report.digests).collect(),
        rewritten: text(report.rewritten).collect(),
        blobs: report.blobs,
        reused_blobs: report.reused,
        bytes: report.bytes,
        seconds: took.as_secs_f64(),
    };
    ui.result(&result, human)?;
    let mut failed = report.failed;
    match failed.len() {
        0 => Ok(exit::OK),
        1 if total == 1 => Err(failed.swap_remove(0).1.into()),
        n => {
            let first = format!("{}: {}", failed[0].0, failed[0].1);
            Err(RegistryError::Incomplete { failed: n, total, first }.into())
        }
    }
}

fn human(result: &Mirrored) -> String {
    let rows = [("new", &result.new), ("updated", &result.updated), ("present", &result.present)];
    let mut text = String::new();
    for (what, names) in rows {
        names.iter().for_each(|name| text.push_str(&format!("{what:<8} {name}\n")));
    }
    for (name, was) in &result.rewritten {
        text.push_str(&format!("index of {name} rewritten; it was {was}\n"));
    }
    for failed in &result.failed {
        text.push_str(&format!("failed   {}: {} ({})\n", failed.image, failed.why, failed.id));
    }
    let rate = result.bytes as f64 / result.seconds.max(0.001);
    let Mirrored { blobs, reused_blobs, seconds, .. } = result;
    text.push_str(&format!(
        "{} new, {} updated, {} present, {} failed; {} in {blobs} blobs, {reused_blobs} reused, {seconds:.1} s, {}/s\n",
        result.new.len(),
        result.updated.len(),
        result.present.len(),
        result.failed.len(),
        size(result.bytes),
        size(rate as u64)
    ));
    text
}

/// Bytes for a person.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..0x2800 => format!("{bytes} bytes"),
        0x2800..0xa0_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// Adds rate and time left to what is told about bytes.
struct Rated<'a> {
    ui: &'a Ui,
    begun: Instant,
    last: Mutex<Instant>,
}

impl Sink for Rated<'_> {
    fn emit(&self, event: Event) {
        match event {
            Event::Progress { done, total, unit: "bytes", .. } => {
                let mut last = self.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if last.elapsed() < Duration::from_secs(3) || done == 0 {
                    return;
                }
                *last = Instant::now();
                self.ui.say(&rate(done, total, self.begun.elapsed()));
            }
            other => self.ui.emit(other),
        }
    }
}

fn rate(done: u64, total: Option<u64>, took: Duration) -> String {
    let per_second = done as f64 / took.as_secs_f64().max(0.001);
    let left = total.map(|total| total.saturating_sub(done) as f64 / per_second.max(1.0));
    let of = total.map(|total| format!(" of {}", size(total))).unwrap_or_default();
    let left = left.map(|s| format!(", {}:{:02} left", s as u64 / 60, s as u64 % 60)).unwrap_or_default();
    format!("images: {}{of}, {}/s{left}", size(done), size(per_second as u64))
}

/// What one word of the command line means.
async fn wanted(word: &str, from: Option<&str>, scratch: &std::path::Path) -> Result<Vec<Image>, Failure> {
    let (name, source) = word.split_once('=').map_or((None, word), |(n, s)| (Some(n), s));
    let path = PathBuf::from(source);
    let image =
        |reference: &str, source| Image { reference: reference.to_owned(), digest: None, sources: vec![source] };
    Ok(match (path.exists(), name) {
        // Without a name, everything in the archive comes under its own.
        (true, None) => {
            let names = names_in(&path, scratch).await?;
            names.iter().map(|name| image(name, Source::File(path.clone()))).collect()
        }
        (true, Some(name)) => vec![image(name, Source::File(path))],
        (false, name) => vec![image(name.unwrap_or(source), elsewhere(source, from))],
    })
}

/// The source of an image that is no file.
pub(super) fn elsewhere(name: &str, from: Option<&str>) -> Source {
    match from {
        None => Source::Registry { reference: name.to_owned(), ca_pem: None },
        Some(dir) if PathBuf::from(dir).is_dir() => Source::Store(dir.into()),
        Some(registry) => {
            let host = |first: &str| first.contains(['.', ':']) || first == "localhost";
            let bare = name.split_once('/').filter(|(first, _)| host(first)).map_or(name, |(_, rest)| rest);
            Source::Registry { reference: format!("{}/{bare}", registry.trim_end_matches('/')), ca_pem: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        assert_eq!((bytes("500K"), bytes("1.5M"), bytes("7")), (Ok(512_000), Ok(1_572_864), Ok(7)));
        assert!(bytes("fast").is_err() && bytes("-1").is_err() && bytes("0").is_err());
    }

    #[test]
    fn rate_and_time_left_are_told() {
        let told = rate(20 << 20, Some(100 << 20), Duration::from_secs(10));
        assert_eq!(told, "images: 20 MiB of 100 MiB, 2048 KiB/s, 0:40 left");
    }

    #[test]
    fn names_are_looked_for_in_another_registry() {
        let at = |name, from| match elsewhere(name, from) {
            Source::Registry { reference, .. } => reference,
            other => format!("{other:?}"),
        };
        assert_eq!(at("quay.io/a/b:1", Some("http://r:5000")), "http://r:5000/a/b:1");
        assert_eq!(at("a/b:1", Some("r:5000/")), "r:5000/a/b:1");
        assert_eq!(at("quay.io/a/b:1", None), "quay.io/a/b:1");
    }
}

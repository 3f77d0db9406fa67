//! `airlab bundle`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlab::{Imported, Sources};
use artifacts::Lock;
use artifacts::bundle::{
    Bundle, Contents, Created, Difference, Manifest, PublicKey, SigningKey, Trust, Verified, create,
};
use clap::{Args, Subcommand};
use registry_mirror::Source;
use serde::Serialize;
use steps::Sink;

use super::lab_args::{LabArgs, Real, stopped};
use super::sources;
use crate::tool::Ended;
use crate::{Failure, Ui, exit};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make a pair of keys: FILE signs bundles and stays here, FILE.pub goes to who imports them
    Key {
        /// Where the private key goes
        file: PathBuf,
    },
    /// Put everything a lab needs into a few files that can be carried
    #[command(after_help = "Examples:
  airlab bundle create demo-1 --key my.key --to /media/stick      what ./airlab.toml, or the demo lab, is made from
  airlab bundle create prod-7 --key my.key --lock airlab.lock     every file and image of a lock
  airlab bundle create prod-8 --key my.key --lock airlab.lock --since /media/stick/prod-7.airbundle.json
                                                                  only what prod-7 has not")]
    Create(Create),
    /// Read a bundle to the last byte, and name everything that is wrong with it
    #[command(after_help = "Example:
  airlab bundle verify /media/stick --trust my.key.pub")]
    Verify {
        #[command(flatten)]
        from: From,
    },
    /// What is new, gone and changed between two bundles; reads their manifests only
    #[command(after_help = "Example:
  airlab bundle diff old/prod-7.airbundle.json new/prod-8.airbundle.json")]
    Diff {
        /// The older bundle
        old: PathBuf,
        /// The newer one
        new: PathBuf,
    },
    /// Verify a bundle, then bring its images into the lab's registry and its files into the store of files
    #[command(after_help = "Examples:
  airlab bundle import /media/stick --trust my.key.pub --plan     what would be written
  airlab bundle import /media/stick --trust my.key.pub
  airlab bundle import prod-8.airbundle.json --base /media/old --trust my.key.pub")]
    Import {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        lab: LabArgs,
        /// The registry's store, instead of the lab's
        #[arg(long, value_name = "DIR")]
        store: Option<PathBuf>,
        /// The store of files, instead of the one in the user's cache
        #[arg(long, value_name = "DIR")]
        files: Option<PathBuf>,
        /// Verify, say what would be written, and write nothing
        #[arg(long)]
        plan: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The bundle's name: a-z, 0-9, '.', '_', '-'
    name: String,
    #[command(flatten)]
    lab: LabArgs,
    /// The private key that signs it
    #[arg(long, value_name = "FILE", env = "AIRLAB_BUNDLE_KEY")]
    key: PathBuf,
    /// The folder to write it into
    #[arg(long, value_name = "DIR", default_value = ".")]
    to: PathBuf,
    /// Everything this lock names, instead of what the lab is made from
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,
    /// Where the lock's images are looked for first: the folder of a registry's store, an archive or folder of one
    #[arg(long, value_name = "PATH", requires = "lock")]
    images: Vec<PathBuf>,
    /// Largest part: 4095M fits on FAT32
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "4095M")]
    part_size: u64,
    /// Leave out what this bundle has, which must be there when the new one is imported
    #[arg(long, value_name = "BUNDLE")]
    since: Option<PathBuf>,
    /// Say what would be in it, and write nothing but what has to be fetched to know that
    #[arg(long)]
    plan: bool,
}

#[derive(Debug, Args)]
pub(super) struct From {
    /// The bundle: its manifest, or the folder with it
    bundle: PathBuf,
    #[command(flatten)]
    trust: TrustArgs,
    /// The bundle that it adds to, where that does not lie beside it
    #[arg(long, value_name = "BUNDLE")]
    base: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct TrustArgs {
    /// The public key that must vouch for it
    #[arg(long, value_name = "FILE", env = "AIRLAB_BUNDLE_TRUST")]
    trust: Option<PathBuf>,
    /// Take it without asking who made it; what is imported says so
    #[arg(long)]
    skip_signature: bool,
}

pub(super) async fn run(ui: &Arc<Ui>, verb: Verb) -> Ended {
    match verb {
        Verb::Key { file } => key(ui, &file),
        Verb::Create(args) => make(ui, args).await,
        Verb::Verify { from } => {
            let verified = blocking(ui, move |ui| from.verified(ui)).await?;
            ui.result(&Seen::of(&verified), Seen::text)?;
            Ok(exit::OK)
        }
        Verb::Diff { old, new } => {
            let manifest =
                |path: &Path| Ok::<_, Failure>(Bundle::open(path, &Trust::SkipSignature)?.manifest().clone());
            ui.result(&Difference::between(&manifest(&old)?, &manifest(&new)?), difference_text)?;
            Ok(exit::OK)
        }
        Verb::Import { from, lab, store, files, plan } => {
            let registry = match store {
                Some(store) => store,
                None => lab.context()?.files.registry(),
            };
            let files = artifacts::Store::new(&files.unwrap_or_else(sources::files_dir));
            let imported = blocking(ui, move |ui| {
                let bundle = from.verified(ui)?;
                let done = match plan {
                    true => airlab::plan_import(&bundle, &registry, &files),
                    false => airlab::import(&bundle, &registry, &files, ui),
                };
                done.map_err(stopped)
            });
            let imported = imported.await?;
            ui.result(&imported, |imported| imported_text(imported, plan))?;
            Ok(exit::OK)
        }
    }
}

/// Work that reads or writes gigabytes has a thread of its own, so that a signal is answered at once.
async fn blocking<T: Send + 'static>(
    ui: &Arc<Ui>,
    work: impl FnOnce(&Ui) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let ui = ui.clone();
    let done = tokio::task::spawn_blocking(move || work(&ui));
    done.await.map_err(|e| Failure::system("working on the bundle", e.into()))?
}

impl From {
    fn verified(&self, ui: &Ui) -> Result<Verified, Failure> {
        let trust = match &self.trust.trust {
            Some(file) => Trust::Key(PublicKey::load(file)?),
            None => Trust::SkipSignature,
        };
        let mut bundle = Bundle::open(&self.bundle, &trust)?;
        if let Some(base) = &self.base {
            bundle = bundle.with_base(Bundle::open(base, &trust)?)?;
        }
        Ok(bundle.verify(ui)?)
    }
}

fn key(ui: &Ui, file: &Path) -> Ended {
    #[derive(Serialize)]
    struct Made {
        private: PathBuf,
        public: PathBuf,
        fingerprint: String,
    }
    let key = SigningKey::generate()?;
    let public = key.save(file)?;
    let made = Made { private: file.to_owned(), public, fingerprint: key.public().fingerprint() };
    ui.result(&made, |m| {
        let (private, public) = (m.private.display(), m.public.display());
        format!("private     {private}\npublic      {public}\nfingerprint {}\n", m.fingerprint)
    })?;
    Ok(exit::OK)
}

async fn make(ui: &Arc<Ui>, args: Create) -> Ended {
    let key = SigningKey::load(&args.key)?;
    let trust = Trust::Key(key.public());
    let base = args.since.as_ref().map(|since| Bundle::open(since, &trust)).transpose()?;
    let mut contents = contents(ui, &args).await?;
    contents.part_size = args.part_size;
    if args.plan {
        let manifest = contents.manifest(base.as_ref())?;
        ui.result(&manifest, planned_text)?;
        return Ok(exit::OK);
    }
    let to = args.to.clone();
    let created = blocking(ui, move |ui| Ok(create(&contents, base.as_ref(), &to, &key, ui)?)).await?;
    ui.result(&created, created_text)?;
    Ok(exit::OK)
}

async fn contents(ui: &Arc<Ui>, args: &Create) -> Result<Contents, Failure> {
    let scratch = crate::ui::cache_dir().unwrap_or_else(|| PathBuf::from(".airlab")).join("bundle-images");
    let sink: &dyn Sink = &**ui;
    if let Some(path) = &args.lock {
        let lock = (&Lock::load(path)?, Lock::load_as_is(path)?);
        let from: Vec<Source> = args.images.iter().map(|path| image_source(path)).collect();
        let downloads = artifacts::Store::new(&sources::files_dir());
        let made = airlab::contents_of_lock(&args.name, lock, &from, &downloads, &scratch, sink).await;
        return made.map_err(stopped);
    }
    let context = args.lab.context()?;
    let (files, lab) = (context.clone(), args.lab.clone());
    let found: Sources = blocking(ui, move |ui| sources::ready(&files, &lab, &Real::default(), ui)).await?;
    airlab::contents_of_lab(&args.name, &context.lab, &found, &scratch, sink).await.map_err(stopped)
}

fn image_source(path: &Path) -> Source {
    match path.join("docker/registry/v2").is_dir() {
        true => Source::Store(path.to_owned()),
        false => Source::File(path.to_owned()),
    }
}

/// A bundle that was read.
#[derive(Serialize)]
struct Seen<'a> {
    bundle: &'a str,
    manifest: &'a str,
    signed_by: Option<&'a str>,
    parts: usize,
    bytes: u64,
    images: usize,
    files: usize,
    notes: &'a [String],
    /// Blobs that must have been imported before.
    missing: usize,
}

impl<'a> Seen<'a> {
    fn of(verified: &'a Verified) -> Self {
        let manifest = verified.manifest();
        Self {
            bundle: &manifest.name,
            manifest: verified.bundle().sha256(),
            signed_by: verified.bundle().signed_by(),
            parts: manifest.parts.len(),
            bytes: manifest.parts.iter().map(|p| p.size).sum(),
            images: manifest.images.len(),
            files: manifest.files.len(),
            notes: &manifest.notes,
            missing: verified.missing().len(),
        }
    }

    fn text(&self) -> String {
        let signed = self.signed_by.map_or("NOT CHECKED, as asked".into(), |key| format!("by {key}"));
        let mut text =
            format!("bundle      {}\nmanifest    sha256:{}\nsigned      {signed}\n", self.bundle, self.manifest);
        text += &format!("read        {} in {} parts\n", mib(self.bytes), self.parts);
        text += &format!("holds       {} images, {} files\n", self.images, self.files);
        text.extend(self.notes.iter().map(|note| format!("stand-in    {note}\n")));
        if self.missing > 0 {
            text += &format!("needs       {} blobs of the bundle it adds to\n", self.missing);
        }
        text + "every byte is as it was signed\n"
    }
}

fn created_text(created: &Created) -> String {
    let done = if created.changed { "written" } else { "there already" };
    let mut text = format!("bundle      {} ({done})\n", created.manifest.display());
    text += &format!("manifest    sha256:{}\n", created.sha256);
    text += &format!("holds       {} images, {} files, {}\n", created.images, created.files, mib(created.bytes));
    if created.elsewhere > 0 {
        text += &format!("left out    {} blobs that the older bundle has\n", created.elsewhere);
    }
    text.extend(created.parts.iter().map(|part| format!("part        {part}\n")));
    text
}

fn planned_text(manifest: &Manifest) -> String {
    let mut text = String::new();
    text.extend(manifest.files.iter().map(|f| format!("file   {} {} {}\n", f.name, f.version, mib(f.size))));
    text.extend(manifest.images.iter().map(|i| format!("image  {} {}\n", i.name, i.digest)));
    let bytes: u64 = manifest.entries.iter().map(|e| e.size).sum();
    text + &format!("total  {}, {} blobs left out\n", mib(bytes), manifest.elsewhere.len())
}

fn difference_text(difference: &Difference) -> String {
    let mut text = String::new();
    for (word, changes) in [("new", &difference.new), ("gone", &difference.gone), ("changed", &difference.changed)] {
        text.extend(changes.iter().map(|c| {
            let of = if word == "changed" { format!(", {} of it new", mib(c.new_bytes)) } else { String::new() };
            format!("{word:<8} {} {} ({}{of})\n", c.kind, c.name, mib(c.bytes))
        }));
    }
    let (new, shared) = (mib(difference.new_bytes), mib(difference.shared_bytes));
    text + &format!("{} the same; {new} to carry, {shared} shared\n", difference.same)
}

fn imported_text(imported: &Imported, plan: bool) -> String {
    let word = if plan { "would write" } else { "written" };
    let mut text: String = imported.files.iter().map(|name| format!("{word}  file {name}\n")).collect();
    text.extend(imported.images.iter().map(|name| format!("{word}  image {name}\n")));
    text.extend(imported.notes.iter().map(|note| format!("stand-in  {note}\n")));
    let signed = imported.signed_by.as_deref().map_or("NOT CHECKED, as asked".into(), |key| format!("by {key}"));
    text + &format!("{}: {} there already; signed {signed}\n", imported.bundle, imported.present)
}

fn mib(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes.div_ceil(1 << 10)),
        mib => format!("{mib} MiB"),
    }
}

/// `4095M`, `700K`, `2G` or plain bytes.
fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.chars().last() {
        Some('K') => (&text[..text.len() - 1], 10),
        Some('M') => (&text[..text.len() - 1], 20),
        Some('G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift));
    number.filter(|n| *n >= 512).ok_or_else(|| "a number of bytes, at least 512, or like 700K, 4095M, 2G".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_parts() {
        assert_eq!(size("4095M"), Ok(artifacts::bundle::default_part_size()));
        assert_eq!((size("512"), size("1K"), size("2G")), (Ok(512), Ok(1024), Ok(2 << 30)));
        for bad in ["", "M", "511", "-1", "1T", "99999999999999G", "1.5G"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}

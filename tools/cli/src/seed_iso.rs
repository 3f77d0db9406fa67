//! The command line of `seed-iso`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use seed_iso::{Cidata, Inspection, Iso, Patch};

use crate::{Ended, Failure, Tool, Ui, exit};

#[derive(Debug, clap::Parser)]
#[command(about = "Patch an Ubuntu installer ISO in place, make CIDATA ISOs")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Say what an image is, what it boots, and whether it is patched
    Inspect { iso: PathBuf },
    /// Copy an installer and patch the copy
    Patch(Wish),
    /// Undo a patch: the image as it was, byte for byte
    Reset {
        iso: PathBuf,
        /// File to write; may be the image itself
        target: PathBuf,
    },
    /// Make a CIDATA image for cloud-init
    Cidata(Seed),
    /// Read every file with a second, independent reader and compare
    Verify { iso: PathBuf },
}

#[derive(Debug, clap::Args)]
struct Wish {
    /// The installer as it was downloaded
    iso: PathBuf,
    /// File to write
    target: PathBuf,
    /// Kernel argument for the installer
    #[arg(long = "arg", value_name = "ARG", default_value = "autoinstall")]
    args: Vec<String>,
    /// Kernel argument that the installed system keeps
    #[arg(long = "console-arg", value_name = "ARG")]
    console_args: Vec<String>,
    /// Seconds until the boot menu's default entry starts
    #[arg(long, default_value_t = 1)]
    timeout: u32,
    /// File to add, as PATH-IN-THE-IMAGE=FILE
    #[arg(long = "add", value_name = "PATH=FILE")]
    files: Vec<String>,
    /// SHA-256 that the installer must have
    #[arg(long, value_name = "HEX")]
    sha256: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Seed {
    /// File to write
    target: PathBuf,
    /// user-data
    #[arg(long, value_name = "FILE")]
    user_data: PathBuf,
    /// meta-data; empty when not given
    #[arg(long, value_name = "FILE")]
    meta_data: Option<PathBuf>,
    /// network-config
    #[arg(long, value_name = "FILE")]
    network_config: Option<PathBuf>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    Tool::new("seed-iso").run(|ui, args: Args| async move {
        let work = tokio::task::spawn_blocking(move || work(&ui, args.verb));
        work.await.unwrap_or_else(|e| Err(Failure::system("seed-iso", std::io::Error::other(e))))
    })
}

fn work(ui: &Ui, verb: Verb) -> Ended {
    match verb {
        Verb::Inspect { iso } => {
            let seen = seed_iso::inspect(&iso)?;
            ui.result(&inspection(&seen), |_| described(&seen))?;
        }
        Verb::Patch(wish) => patch(ui, wish)?,
        Verb::Reset { iso, target } => {
            seed_iso::reset(&iso, &target)?;
            let sum = Iso::sha256(&target)?;
            ui.result(&serde_json::json!({ "sha256": sum }), |_| format!("{sum}  {}", target.display()))?;
        }
        Verb::Cidata(seed) => {
            let optional = |path: &Option<PathBuf>| path.as_deref().map(text).transpose();
            let cidata = Cidata {
                user_data: text(&seed.user_data)?,
                meta_data: optional(&seed.meta_data)?.unwrap_or_default(),
                network_config: optional(&seed.network_config)?,
            };
            let changed = cidata.write(&seed.target)?;
            let said = if changed { "written" } else { "unchanged" };
            ui.result(&serde_json::json!({ "changed": changed }), |_| format!("{}: {said}", seed.target.display()))?;
        }
        Verb::Verify { iso } => {
            let done = seed_iso::verify(&iso)?;
            let value = serde_json::json!({ "files": done.files, "bytes": done.bytes, "too_large": done.too_large });
            ui.result(&value, |_| {
                let large =
                    if done.too_large > 0 { format!("; {} too large for it", done.too_large) } else { String::new() };
                format!("{} files, {} bytes: the second reader sees the same{large}", done.files, done.bytes)
            })?;
        }
    }
    Ok(exit::OK)
}

fn patch(ui: &Ui, wish: Wish) -> Result<(), Failure> {
    let mut files = Vec::new();
    for pair in &wish.files {
        let (path, file) = pair.split_once('=').unwrap_or((pair, pair));
        let bytes = std::fs::read(file).map_err(|e| Failure::system(format!("reading {file}"), e))?;
        files.push((path.to_owned(), bytes));
    }
    let patch = Patch { kernel_args: wish.args, console_args: wish.console_args, timeout: wish.timeout, files };
    let done = match &wish.sha256 {
        Some(sum) => seed_iso::patch_checked(&wish.iso, &wish.target, &patch, sum)?,
        None => seed_iso::patch(&wish.iso, &wish.target, &patch)?,
    };
    let value = serde_json::json!({
        "size": done.size, "grown": done.grown, "written": done.written, "args": done.entry.args, "digest": done.digest,
    });
    ui.result(&value, |_| {
        let target = wish.target.display();
        format!("{target}: boots {} with {}", done.entry.kernel, done.entry.args.join(" "))
    })
}

fn inspection(seen: &Inspection) -> serde_json::Value {
    let entry = seen.entry.as_ref();
    let entry =
        entry.map(|e| serde_json::json!({ "title": e.title, "kernel": e.kernel, "args": e.args, "initrd": e.initrd }));
    let mark = seen.patched.as_ref();
    let mark = mark.map(
        |m| serde_json::json!({ "digest": m.digest, "source_sha256": m.source_sha256, "source_size": m.source_size }),
    );
    serde_json::json!({ "volume_id": seen.volume_id, "size": seen.size, "entry": entry, "patched": mark })
}

fn described(seen: &Inspection) -> String {
    let boots = match &seen.entry {
        Some(e) => format!("boots    {} {}\ntitle    {}", e.kernel, e.args.join(" "), e.title),
        None => "boots    nothing through GRUB".to_owned(),
    };
    let patched = match &seen.patched {
        Some(mark) => format!("patched  yes, wish {}; the source had {} bytes", &mark.digest[..12], mark.source_size),
        None => "patched  no".to_owned(),
    };
    format!("volume   {}\nsize     {} bytes\n{boots}\n{patched}", seen.volume_id, seen.size)
}

fn text(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure::system(format!("reading {}", path.display()), e))
}

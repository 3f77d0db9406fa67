//! Image profiles on the command line: `resolve`, `check`, and what `mirror` and `catalog` take from them.

use std::path::{Path, PathBuf};

use artifacts::{ImagePin, Lock};
use registry_mirror::{Image, Profile, ProfileImage, RegistryError, Source, Store, Survey, survey};
use serde::Serialize;

use super::mirror::{How, elsewhere, size};
use crate::{Ended, Failure, Ui, exit, table};

/// The images of a profile.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Chosen {
    /// Images of a profile: core (13), full (28), or a file
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// With the images of this feature of the profile
    #[arg(long = "feature", value_name = "NAME", requires = "profile")]
    features: Vec<String>,
    /// Folder with archives that a person brought; they come before all registries
    #[arg(long, value_name = "DIR", requires = "profile")]
    archives: Option<PathBuf>,
}

impl Chosen {
    /// The profile's images; none when no profile is named.
    pub(super) fn all(&self) -> Result<Vec<ProfileImage>, RegistryError> {
        let Some(name) = &self.profile else { return Ok(Vec::new()) };
        Ok(Profile::named(name)?.select(&self.features)?.into_iter().cloned().collect())
    }

    /// The images with their sources, or with `from` as their only one besides archives.
    pub(super) fn images(&self, from: Option<&str>) -> Result<Vec<Image>, RegistryError> {
        let image = |image: &ProfileImage| {
            let mut wanted = image.wanted(self.archives.as_deref());
            if from.is_some() {
                wanted.sources.retain(|source| matches!(source, Source::File(_)));
                wanted.sources.push(elsewhere(&image.name, from));
            }
            wanted
        };
        Ok(self.all()?.iter().map(image).collect())
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Resolve {
    #[command(flatten)]
    chosen: Usual,
    #[command(flatten)]
    how: How,
    /// Lock file that gets the digests
    #[arg(long, value_name = "FILE", default_value = "airlab.lock")]
    lock: PathBuf,
    /// Ask this registry or store instead of the images' own sources
    #[arg(long, value_name = "REGISTRY")]
    from: Option<String>,
}

/// As [`Chosen`], with the usual profile.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Usual {
    /// Images of a profile: core (13), full (28), or a file
    #[arg(long, value_name = "NAME", default_value = "full")]
    profile: String,
    /// With the images of this feature of the profile
    #[arg(long = "feature", value_name = "NAME")]
    features: Vec<String>,
    /// Folder with archives that a person brought
    #[arg(long, value_name = "DIR")]
    archives: Option<PathBuf>,
}

impl From<Usual> for Chosen {
    fn from(usual: Usual) -> Self {
        Self { profile: Some(usual.profile), features: usual.features, archives: usual.archives }
    }
}

#[derive(Serialize)]
struct Resolved {
    changed: usize,
    images: Vec<ImagePin>,
    failed: Vec<String>,
}

/// Writes every image's digest and size into the lock; what is in it already about others stays.
pub(super) async fn resolve(ui: &Ui, args: Resolve) -> Ended {
    let chosen = Chosen::from(args.chosen);
    let images = chosen.images(args.from.as_deref())?;
    let mut lock = if args.lock.exists() { Lock::load_as_is(&args.lock)? } else { Lock::default() };
    let found = survey(&images, &args.how.options()?, false, true).await?;
    let mut result = Resolved { changed: 0, images: Vec::new(), failed: Vec::new() };
    let mut first = None;
    for seen in &found {
        match seen.first() {
            Some(source) => {
                let digest = source.digest.as_ref().map(ToString::to_string).unwrap_or_default();
                let pin = ImagePin { name: seen.reference.clone(), digest, size: source.size.unwrap_or(0) };
                result.changed += usize::from(lock.pin_image(pin.clone()));
                result.images.push(pin);
            }
            None => {
                first = first.or_else(|| Some(why(seen)));
                result.failed.push(why(seen));
            }
        }
    }
    if result.changed > 0 {
        machine::write_file(&args.lock, lock.render().as_bytes(), 0o644)?;
    }
    ui.result(&result, |r| {
        let rows: Vec<[String; 3]> =
            r.images.iter().map(|i| [i.name.clone(), i.digest.clone(), size(i.size)]).collect();
        let failed: String = r.failed.iter().map(|why| format!("failed   {why}\n")).collect();
        format!("{}{failed}{} changed in the lock\n", table(&["IMAGE", "DIGEST", "SIZE"], &rows), r.changed)
    })?;
    match first {
        None => Ok(exit::OK),
        Some(first) => {
            Err(RegistryError::Incomplete { failed: result.failed.len(), total: images.len(), first }.into())
        }
    }
}

fn why(seen: &Survey) -> String {
    let last = seen.sources.last().and_then(|found| found.digest.as_ref().err().map(ToString::to_string));
    format!("{}: {}", seen.reference, last.unwrap_or_else(|| "no source".into()))
}

#[derive(Debug, clap::Args)]
pub(super) struct Check {
    #[command(flatten)]
    chosen: Usual,
    #[command(flatten)]
    how: How,
    /// Store to look into as well
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Only list what a person has to fetch by hand, and where to put it; no registry is asked
    #[arg(long)]
    manual: bool,
}

#[derive(Serialize)]
struct Checked {
    image: String,
    required_by: String,
    here: bool,
    sources: Vec<CheckedSource>,
}

#[derive(Serialize)]
struct CheckedSource {
    source: String,
    digest: Option<String>,
    why: Option<String>,
}

/// Says what exists where; exit code as when images fail if one of them exists nowhere.
pub(super) async fn check(ui: &Ui, args: Check) -> Ended {
    let chosen = Chosen::from(args.chosen);
    let profile = chosen.all()?;
    let store = args.store.as_deref().map(Store::open).transpose()?;
    if args.manual {
        return manual(ui, &profile, chosen.archives.as_deref());
    }
    let images = chosen.images(None)?;
    let found = survey(&images, &args.how.options()?, true, false).await?;
    let kept = store.as_ref().map(|store| store.catalog()).transpose()?.unwrap_or_default();
    let rows = profile.iter().zip(&found).map(|(image, seen)| Checked {
        image: image.name.clone(),
        required_by: image.required_by.clone(),
        here: super::catalog::holds(&kept, &image.name),
        sources: seen
            .sources
            .iter()
            .map(|found| CheckedSource {
                source: found.source.clone(),
                digest: found.digest.as_ref().ok().map(ToString::to_string),
                why: found.digest.as_ref().err().map(ToString::to_string),
            })
            .collect(),
    });
    let rows: Vec<Checked> = rows.collect();
    ui.result(&rows, |rows| {
        let mut text = String::new();
        for row in rows {
            text.push_str(&format!("{}{}\n", row.image, if row.here { "  (in the store)" } else { "" }));
            for source in &row.sources {
                let what = source.digest.clone().or_else(|| source.why.clone()).unwrap_or_default();
                let sign = if source.digest.is_some() { "there " } else { "absent" };
                text.push_str(&format!("  {sign}  {}  {what}\n", source.source));
            }
        }
        text
    })?;
    let nowhere: Vec<&Checked> =
        rows.iter().filter(|row| !row.here && row.sources.iter().all(|source| source.digest.is_none())).collect();
    match nowhere.first() {
        None => Ok(exit::OK),
        Some(first) => {
            let first = format!("{} exists nowhere", first.image);
            Err(RegistryError::Incomplete { failed: nowhere.len(), total: rows.len(), first }.into())
        }
    }
}

#[derive(Serialize)]
struct Manual {
    what: String,
    why: String,
    file: PathBuf,
    how: String,
    there: bool,
}

/// What no address gives without a person: VMware's installer, and images whose downloads were closed.
fn manual(ui: &Ui, profile: &[ProfileImage], archives: Option<&Path>) -> Ended {
    let dir = archives.unwrap_or(Path::new("downloads"));
    let entry = |what: &str, why: &str, file: PathBuf, how: String| Manual {
        what: what.to_owned(),
        why: why.to_owned(),
        there: file.exists(),
        file,
        how,
    };
    let mut all = vec![entry(
        "VMware Workstation Pro",
        "its download needs an account and its terms accepted by a person",
        dir.join("VMware-workstation.exe"),
        "support.broadcom.com, My Downloads, VMware Workstation Pro; install it before the lab".into(),
    )];
    for image in profile.iter().filter(|image| image.manual) {
        let file = dir.join(image.file_name());
        let how = format!("on a computer that has it: docker save -o {} {}", image.file_name(), image.name);
        all.push(entry(&image.name, &image.required_by, file, how));
    }
    ui.result(&all, |all| {
        let mut text = String::from("Files that a person fetches, and where to put them:\n");
        for file in all {
            let there = if file.there { "there  " } else { "missing" };
            text.push_str(&format!(
                "\n{there}  {}\n  needed for  {}\n  how         {}\n  put it at   {}\n",
                file.what,
                file.why,
                file.how,
                file.file.display()
            ));
        }
        text
    })?;
    Ok(exit::OK)
}

/// The images of a profile that a store does not hold.
pub(super) fn missing(chosen: &Chosen, kept: &[registry_mirror::CatalogEntry]) -> Result<Vec<String>, Failure> {
    let all = chosen.all()?;
    Ok(all.into_iter().map(|image| image.name).filter(|name| !super::catalog::holds(kept, name)).collect())
}

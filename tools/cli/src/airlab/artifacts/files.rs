//! `airlab artifacts fetch` and `check`.

use std::path::PathBuf;

use artifacts::{ArtifactError, Lock, Pin, check_form, check_pin};
use serde::Serialize;

use super::{LockFile, place, store, verdicts};
use crate::tool::Ended;
use crate::{Failure, Ui, exit, table};

#[derive(Debug, clap::Args)]
pub(in crate::airlab) struct FetchArgs {
    #[command(flatten)]
    lock: LockFile,
    /// Trust this CA and no other, for a mirror of one's own
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Only these files
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(in crate::airlab) struct CheckArgs {
    #[command(flatten)]
    lock: LockFile,
    /// Only these files
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: String,
    version: String,
    state: &'static str,
    path: PathBuf,
    why: String,
}

impl Row {
    fn new(pin: &Pin, path: PathBuf, seen: &Result<&'static str, ArtifactError>) -> Self {
        let (state, why) = match seen {
            Ok(state) => (*state, String::new()),
            Err(ArtifactError::Missing { .. }) => ("missing", String::new()),
            Err(error @ ArtifactError::Unreachable { .. }) => ("missing", error.to_string()),
            Err(error) => ("wrong", error.to_string()),
        };
        Self { name: pin.name.clone(), kind: pin.kind.clone(), version: pin.version.clone(), state, path, why }
    }
}

/// The pins asked for; a name that is not in the lock is an error before anything is fetched.
fn chosen<'l>(lock: &'l Lock, file: &LockFile, names: &[String]) -> Result<Vec<&'l Pin>, Failure> {
    if let Some(unknown) = names.iter().find(|name| lock.find(name).is_none()) {
        return Err(ArtifactError::Unpinned {
            name: unknown.clone(),
            by: "the command line".into(),
            lock: file.path.display().to_string(),
            how: format!("airlab artifacts check --lock '{}'", file.path.display()),
        }
        .into());
    }
    Ok(lock.artifacts.iter().filter(|pin| names.is_empty() || names.contains(&pin.name)).collect())
}

/// Shows what was found; the first error is the answer.
fn told(ui: &Ui, rows: &[Row], first: Option<ArtifactError>) -> Ended {
    if let Some(error) = first {
        for row in rows.iter().filter(|row| ["missing", "wrong"].contains(&row.state)) {
            ui.say(&format!("{}  {}  {}  {}", row.state, row.name, row.path.display(), row.why));
        }
        return Err(error.into());
    }
    ui.result(&rows, |rows| {
        let line = |r: &Row| [r.state.into(), r.name.clone(), r.version.clone(), r.path.display().to_string()];
        let rows: Vec<[String; 4]> = rows.iter().map(line).collect();
        table(&["STATE", "FILE", "VERSION", "PATH"], &rows)
    })?;
    Ok(exit::OK)
}

/// Brings every file; one that fails does not keep the others from coming.
pub(super) async fn fetch(ui: &Ui, args: &FetchArgs) -> Ended {
    let lock = args.lock.read()?;
    let pins = chosen(&lock, &args.lock, &args.names)?;
    let mut store = store();
    if let Some(ca) = &args.ca {
        let pem = std::fs::read_to_string(ca).map_err(|e| Failure::system(format!("reading {}", ca.display()), e))?;
        store = store.trusting(pem);
    }
    let places: Vec<PathBuf> = pins.iter().map(|pin| place(pin)).collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    let mut first = None;
    for (pin, path) in pins.into_iter().zip(places) {
        let seen = artifacts::fetch(pin, &path, &store, ui).await;
        let seen = seen.map(|(_, fetched)| if fetched { "fetched" } else { "there" });
        rows.push(Row::new(pin, path, &seen));
        first = first.or(seen.err());
    }
    told(ui, &rows, first)
}

/// Looks at every file and changes nothing.
pub(super) fn check(ui: &Ui, args: &CheckArgs) -> Ended {
    let lock = args.lock.read()?;
    let mut verdicts = verdicts();
    let mut rows = Vec::new();
    let mut first = None;
    for pin in chosen(&lock, &args.lock, &args.names)? {
        let path = place(pin)?;
        let seen = check_pin(pin, &path, &mut verdicts);
        let seen = seen.and_then(|_| check_form(&pin.name, &pin.kind, &path)).map(|()| "there");
        rows.push(Row::new(pin, path, &seen));
        first = first.or(seen.err());
    }
    told(ui, &rows, first)
}

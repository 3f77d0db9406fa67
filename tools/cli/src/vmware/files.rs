//! Verbs about .vmx files.

use std::path::PathBuf;
use std::time::Duration;

use vmware::Vmx;

use crate::{Ended, Ui, exit};

/// How long VMware may take to let go of a .vmx.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Print all keys and values
    Show { vmx: PathBuf },
    /// Print one value
    Get { vmx: PathBuf, key: String },
    /// Change one value; everything else stays byte for byte
    Set { vmx: PathBuf, key: String, value: String },
    /// Say what differs, key by key; exit code 3 where anything does
    Diff { old: PathBuf, new: PathBuf },
}

pub(super) async fn run(ui: &Ui, verb: Verb) -> Ended {
    match verb {
        Verb::Show { vmx } => {
            let vmx = Vmx::load(&vmx)?;
            let all: std::collections::BTreeMap<&str, &str> = vmx.entries().collect();
            ui.result(&all, |_| vmx.render().trim_end().to_owned())?;
            Ok(exit::OK)
        }
        Verb::Get { vmx, key } => {
            let vmx = Vmx::load(&vmx)?;
            let value = vmx.get(&key);
            ui.result(&value, |v| v.unwrap_or_default().to_owned())?;
            Ok(if value.is_some() { exit::OK } else { exit::NO })
        }
        Verb::Set { vmx, key, value } => {
            let changed = vmware::edit(&vmx, PATIENCE, |v| v.set(&key, &value)).await?;
            let said = if changed { "changed" } else { "unchanged" };
            ui.result(&serde_json::json!({ "changed": changed }), |_| format!("{}: {said}", vmx.display()))?;
            Ok(exit::OK)
        }
        Verb::Diff { old, new } => {
            let all = Vmx::load(&old)?.diff(&Vmx::load(&new)?);
            let one = |d: &vmware::Difference| serde_json::json!({ "key": d.key, "old": d.old, "new": d.new });
            let value: Vec<_> = all.iter().map(one).collect();
            ui.result(&value, |_| all.iter().map(|d| format!("{d}\n")).collect())?;
            Ok(if all.is_empty() { exit::OK } else { exit::NO })
        }
    }
}

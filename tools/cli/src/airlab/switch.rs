//! `airlab up` and `airlab down`.

use std::sync::Arc;

use airlab::Switched;
use steps::Sink;

use super::lab_args::{LabArgs, stopped};
use super::network;
use crate::tool::Ended;
use crate::{Ui, conditions, exit};

/// Switches a provisioned lab on.
pub(super) async fn up(ui: &Arc<Ui>, args: &LabArgs) -> Ended {
    let context = args.context()?;
    if !network::inside() {
        if !context.files.kubeconfig().exists() {
            context.facts().map_err(stopped)?;
        }
        let lock = context.lock("airlab up").map_err(stopped)?;
        let facts = context.ensure_network().map_err(stopped)?;
        if let Some(cmd) = network::again(&facts)? {
            return network::become_it(&cmd, Some(lock.into_file()));
        }
    }
    let facts = network::facts(&context)?;
    let up = airlab::up(&context, &facts, &**ui as &dyn Sink).await.map_err(stopped)?;
    ui.result(&up, text)?;
    Ok(exit::OK)
}

/// Switches a lab off.
pub(super) async fn down(ui: &Arc<Ui>, args: &LabArgs) -> Ended {
    let context = args.context()?;
    let _lock = context.lock("airlab down").map_err(stopped)?;
    let down = airlab::down(&context, &**ui as &dyn Sink).await.map_err(stopped)?;
    ui.result(&down, text)?;
    Ok(exit::OK)
}

fn text(done: &Switched) -> String {
    let mut text: String = done.changes.iter().map(|change| format!("{change}\n")).collect();
    text.push_str(&conditions::text(&done.conditions));
    text.push_str(&format!("{}: {} things changed in {} s\n", done.lab, done.changes.len(), done.seconds));
    text
}

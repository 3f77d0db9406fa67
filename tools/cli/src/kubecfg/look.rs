//! Verbs that look at a kubeconfig and at its cluster.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use kubecfg::{Around, ContextRow, Kubeconfig, Life, Login, SOON};

use crate::{Ended, Failure, Ui, exit, table};

/// One kubeconfig, and one of its contexts.
#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The kubeconfig; your own when not given
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context; the current one when not given
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl Which {
    fn text(&self) -> Result<String, Failure> {
        let path = self.kubeconfig.clone().map_or_else(super::own, Ok)?;
        Ok(kubecfg::read(&path)?)
    }

    fn selected(&self) -> Result<Kubeconfig, Failure> {
        Ok(Kubeconfig::select(&self.text()?, self.context.as_deref())?)
    }
}

/// The contexts. Exit code 3 when a certificate among them is over.
pub(super) fn show(ui: &Ui, which: &Which) -> Ended {
    let mut rows = kubecfg::contexts(&which.text()?, SystemTime::now())?;
    rows.retain(|row| which.context.as_ref().is_none_or(|name| row.name == *name));
    ui.result(&rows, |rows| {
        let rows: Vec<[String; 5]> = rows.iter().map(cells).collect();
        table(&["CONTEXT", "SERVER", "LOGIN", "UNTIL", "DAYS"], &rows)
    })?;
    let over = |row: &ContextRow| matches!(&row.login, Login::Certificate(life) if !life.is_valid);
    Ok(if rows.iter().any(over) { exit::NO } else { exit::OK })
}

fn cells(row: &ContextRow) -> [String; 5] {
    let name = format!("{}{}", if row.current { "* " } else { "  " }, row.name);
    let server = format!("{}{}", row.server, if row.verified { "" } else { " (not verified)" });
    let (login, until, days) = match &row.login {
        Login::Certificate(life) => (life.subject.clone(), life.until.clone(), days(life)),
        Login::Files => ("certificate or token in files".to_owned(), String::new(), String::new()),
        Login::Token => ("token".to_owned(), String::new(), String::new()),
        Login::Program(program) => (format!("runs {program}"), String::new(), String::new()),
        Login::Password => ("password".to_owned(), String::new(), String::new()),
        Login::Nothing => ("nothing".to_owned(), String::new(), String::new()),
    };
    [name, server, login, until, days]
}

fn days(life: &Life) -> String {
    match life.days_left {
        left if left < 0 => format!("over for {}", -left),
        left if left < SOON => format!("{left}, soon: restart k3s on the server, then fetch again"),
        left => left.to_string(),
    }
}

/// Asks the API as kubectl would.
pub(super) fn test(ui: &Ui, which: &Which) -> Ended {
    let kubeconfig = which.selected()?;
    ui.say(&format!("asking {}", kubeconfig.server()));
    let var = |name: &str| std::env::var(name).ok();
    let around = Around { now: SystemTime::now(), var: &var, patience: Duration::from_secs(10) };
    let working = kubecfg::check(&kubeconfig, &around)?;
    let life = kubecfg::life(kubeconfig.certificate()?, around.now)?;
    let value = serde_json::json!({
        "context": kubeconfig.name(), "server": kubeconfig.server(), "version": working.version,
        "verified": working.verified, "proxy": working.proxy, "clock_ahead_s": working.ahead, "certificate": life,
    });
    ui.result(&value, |_| {
        let proxy = working.proxy.as_ref().map_or_else(String::new, |proxy| format!(", through {proxy}"));
        let verified = if working.verified { "verified" } else { "not verified, as the kubeconfig asks for" };
        let clock = match working.ahead {
            Some(ahead) if ahead.abs() > 2 => format!("\nthis host's clock is {ahead:+} s off the API's"),
            _ => String::new(),
        };
        format!(
            "{}: {} works{proxy}: {}, {verified}\nlogged in as {}, until {} ({} days){clock}",
            kubeconfig.name(),
            kubeconfig.server(),
            working.version,
            life.subject,
            life.until,
            days(&life)
        )
    })?;
    Ok(exit::OK)
}

/// Lets other programs trust the cluster's authority, or forget it.
pub(super) fn trust(ui: &Ui, which: &Which, trusted: bool) -> Ended {
    let kubeconfig = which.selected()?;
    let changed = airlab::trust(kubeconfig.name(), &kubeconfig.authority()?, trusted)?;
    ui.result(&serde_json::json!({ "context": kubeconfig.name(), "trusted": trusted, "changed": changed }), |_| {
        let what = if trusted { "trusted by this host" } else { "not trusted by this host any more" };
        format!("{}: its authority is {what}{}", kubeconfig.name(), if changed { "" } else { ", as before" })
    })?;
    Ok(exit::OK)
}

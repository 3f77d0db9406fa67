//! systemd units (systemd.service(5), systemd.exec(5)).

use super::{Manager, Service, ServiceSeen, ServiceStep, run};

pub(super) fn unit(service: &Service) -> String {
    let command: Vec<String> = service.command.iter().map(|word| quoted(word)).collect();
    let wanted_by = if service.manager == Manager::User { "default.target" } else { "multi-user.target" };
    let mut confined = String::new();
    // A user's manager may not be able to make the namespaces that these need.
    if service.manager == Manager::System {
        confined += "NoNewPrivileges=yes\nPrivateTmp=yes\nProtectSystem=strict\nProtectHome=read-only\n";
        for dir in &service.writes {
            confined += &format!("ReadWritePaths={}\n", quoted(&dir.display().to_string()));
        }
    }
    format!(
        "# Written by `registry-mirror service install`.\n\
         [Unit]\nDescription=OCI registry of an air-gapped lab\nAfter=network-online.target\n\
         Wants=network-online.target\n\n\
         [Service]\nExecStart={}\nRestart=on-failure\nRestartSec=2\nKillSignal=SIGTERM\nTimeoutStopSec=30\n\
         LimitNOFILE=65536\n{confined}\n\
         [Install]\nWantedBy={wanted_by}\n",
        command.join(" ")
    )
}

/// One word as systemd reads it: `%` and `$` mean something there, and quotes keep blanks.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.:=,+@%$".contains(c);
    if !escaped.is_empty() && escaped.chars().all(plain) { escaped } else { format!("\"{escaped}\"") }
}

pub(super) fn install(service: &Service, seen: &ServiceSeen) -> Vec<ServiceStep> {
    let mut steps = Vec::new();
    let text = unit(service);
    let changed = seen.definition.as_deref() != Some(text.as_str());
    if let Some(path) = service.unit_path().filter(|_| changed) {
        steps.push(ServiceStep::Write { path, text });
        steps.push(systemctl(service, &["daemon-reload"]));
    }
    if !seen.enabled {
        steps.push(systemctl(service, &["enable", &service.name]));
    }
    if changed || !seen.active {
        steps.push(systemctl(service, &["restart", &service.name]));
    }
    steps
}

pub(super) fn uninstall(service: &Service, seen: &ServiceSeen) -> Vec<ServiceStep> {
    let mut steps = Vec::new();
    if seen.active {
        steps.push(systemctl(service, &["stop", &service.name]));
    }
    if seen.enabled {
        steps.push(systemctl(service, &["disable", &service.name]));
    }
    if let Some(path) = service.unit_path().filter(|_| seen.definition.is_some()) {
        steps.push(ServiceStep::Remove { path });
        steps.push(systemctl(service, &["daemon-reload"]));
    }
    steps
}

pub(super) fn questions(service: &Service) -> [Vec<String>; 3] {
    let ask = |verb: &str| words(service, &[verb, &service.name]);
    [Vec::new(), ask("is-enabled"), ask("is-active")]
}

pub(super) fn seen(unit: Option<String>, answers: &[(i32, String); 3]) -> ServiceSeen {
    ServiceSeen { definition: unit, enabled: answers[1].1.trim() == "enabled", active: answers[2].1.trim() == "active" }
}

fn words(service: &Service, rest: &[&str]) -> Vec<String> {
    let user = (service.manager == Manager::User).then_some("--user");
    ["systemctl"].into_iter().chain(user).chain(rest.iter().copied()).map(str::to_owned).collect()
}

fn systemctl(service: &Service, rest: &[&str]) -> ServiceStep {
    let words = words(service, rest);
    run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(manager: Manager) -> Service {
        Service {
            name: "airlab-registry".into(),
            manager,
            command: ["/opt/my lab/registry-mirror", "serve", "--log", "/var/100%/$a.log"].map(str::to_owned).to_vec(),
            writes: vec!["/srv/my store".into()],
            units: "/units".into(),
        }
    }

    #[test]
    fn units() {
        insta::assert_snapshot!("system", unit(&service(Manager::System)));
        insta::assert_snapshot!("user", unit(&service(Manager::User)));
    }

    #[test]
    fn a_second_install_does_nothing_and_a_new_command_restarts() {
        let service = service(Manager::User);
        let first = service.install(&ServiceSeen::default());
        assert_eq!(first.len(), 4);
        assert_eq!(first[3], run(&["systemctl", "--user", "restart", "airlab-registry"]));
        let answers = [(0, String::new()), (0, "enabled\n".into()), (0, "active\n".into())];
        let there = service.seen(Some(unit(&service)), &answers);
        assert!(service.install(&there).is_empty());
        let old = ServiceSeen { definition: Some("old".into()), ..there.clone() };
        assert_eq!(service.install(&old).len(), 3, "written, read again, restarted");
        assert_eq!(service.uninstall(&there).len(), 4);
        assert!(service.uninstall(&ServiceSeen::default()).is_empty());
    }
}

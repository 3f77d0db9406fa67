//! The service control manager, by way of `sc.exe`.

use super::{Service, ServiceSeen, ServiceStep, run};

/// A command line as `CommandLineToArgvW` takes it apart again.
pub(super) fn command_line(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        if !word.is_empty() && !word.contains([' ', '\t', '"']) {
            return word.clone();
        }
        let mut text = String::from("\"");
        let mut slashes = 0;
        for c in word.chars() {
            match c {
                '\\' => slashes += 1,
                '"' => {
                    text += &"\\".repeat(2 * slashes + 1);
                    slashes = 0;
                }
                _ => {
                    text += &"\\".repeat(slashes);
                    slashes = 0;
                }
            }
            if c != '\\' {
                text.push(c);
            }
        }
        text + &"\\".repeat(2 * slashes) + "\""
    });
    quoted.collect::<Vec<_>>().join(" ")
}

pub(super) fn install(service: &Service, seen: &ServiceSeen) -> Vec<ServiceStep> {
    let (name, command) = (service.name.as_str(), command_line(&service.command));
    let mut steps = Vec::new();
    let changed = seen.definition.as_deref() != Some(command.as_str());
    if changed || !seen.enabled {
        // sc.exe wants `key=` and its value as two words.
        let verb = if seen.definition.is_some() { "config" } else { "create" };
        let display = ["DisplayName=", "OCI registry of an air-gapped lab"];
        let words = [&["sc.exe", verb, name, "binPath=", &command, "start=", "auto"][..], &display].concat();
        steps.push(run(&words));
        steps.push(run(&["sc.exe", "failure", name, "reset=", "60", "actions=", "restart/2000"]));
    }
    if changed && seen.active {
        steps.push(run(&["sc.exe", "stop", name]));
    }
    if changed || !seen.active {
        steps.push(run(&["sc.exe", "start", name]));
    }
    steps
}

pub(super) fn uninstall(service: &Service, seen: &ServiceSeen) -> Vec<ServiceStep> {
    let mut steps = Vec::new();
    if seen.active {
        steps.push(run(&["sc.exe", "stop", &service.name]));
    }
    if seen.definition.is_some() {
        steps.push(run(&["sc.exe", "delete", &service.name]));
    }
    steps
}

pub(super) fn questions(service: &Service) -> [Vec<String>; 3] {
    let ask = |verb: &str| ["sc.exe", verb, &service.name].map(str::to_owned).to_vec();
    [ask("qc"), ask("qc"), ask("query")]
}

pub(super) fn seen(answers: &[(i32, String); 3]) -> ServiceSeen {
    let [(known, config), _, (_, state)] = answers;
    let value = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key).map(str::trim_start));
        line.and_then(|rest| rest.strip_prefix(':')).map(|value| value.trim().to_owned())
    };
    let config = if *known == 0 { config.as_str() } else { "" };
    ServiceSeen {
        definition: value(config, "BINARY_PATH_NAME"),
        enabled: value(config, "START_TYPE").is_some_and(|kind| kind.starts_with('2')),
        active: value(state, "STATE").is_some_and(|state| state.starts_with('4')),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::service::Manager;

    fn service() -> Service {
        let command = [r"C:\Program Files\airlab\registry-mirror.exe", "serve", "--store", r"D:\my store\"];
        Service {
            name: "airlab-registry".into(),
            manager: Manager::Windows,
            command: command.map(str::to_owned).to_vec(),
            writes: vec![],
            units: PathBuf::new(),
        }
    }

    #[test]
    fn words_are_quoted_as_windows_reads_them() {
        let line = r#""C:\Program Files\airlab\registry-mirror.exe" serve --store "D:\my store\\""#;
        assert_eq!(command_line(&service().command), line);
        assert_eq!(command_line(&["a\"b".into(), String::new()]), r#""a\"b" """#);
    }

    #[test]
    fn what_sc_says_is_read_and_a_second_install_does_nothing() {
        let service = service();
        assert_eq!(service.install(&ServiceSeen::default()).len(), 3, "create, failure, start");
        let config = format!(
            "[SC] QueryServiceConfig SUCCESS\r\n\r\nSERVICE_NAME: airlab-registry\r\n        TYPE               : 10  \
             WIN32_OWN_PROCESS \r\n        START_TYPE         : 2   AUTO_START\r\n        BINARY_PATH_NAME   : {}\r\n",
            service.definition()
        );
        let state = "SERVICE_NAME: airlab-registry\r\n        STATE              : 4  RUNNING\r\n".to_owned();
        let there = service.seen(None, &[(0, config.clone()), (0, config.clone()), (0, state)]);
        assert_eq!(there, ServiceSeen { definition: Some(service.definition()), enabled: true, active: true });
        assert!(service.install(&there).is_empty());
        assert_eq!(service.uninstall(&there).len(), 2);
        let none = (1060, "[SC] EnumQueryServicesStatus:OpenService FAILED 1060:\r\n".to_owned());
        assert_eq!(service.seen(None, &[none.clone(), none.clone(), none]), ServiceSeen::default());
    }
}

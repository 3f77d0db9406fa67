//! `vmware.log` beside the .vmx: where wrappers look for the cause when a start fails.

use std::fs::File;
use std::io::Write;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::vm::Vm;

/// Appends the block in which VMware explains an error it could not show in a dialog.
pub(crate) fn start_failed(vm: &Vm, why: &str) {
    failed(vm, "msg.qvmrun.start", why);
}

/// The same for another operation, by the message's name.
pub(crate) fn failed(vm: &Vm, message: &str, why: &str) {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    if let Ok(mut file) = File::options().create(true).append(true).open(vm.dir().join("vmware.log")) {
        let _ = file.write_all(block(&now, message, why).as_bytes());
    }
}

fn block(now: &str, message: &str, why: &str) -> String {
    let mut text = format!("{now}| vmx| I005: Msg_Post: Error\n");
    text.push_str(&format!("{now}| vmx| I005: [{message}] {why}\n"));
    text.push_str(&format!("{now}| vmx| I005: ----------------------------------------\n"));
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_cause_stands_after_msg_post() {
        let text = super::block("T", "msg.qvmrun.start", "no disk");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].ends_with("Msg_Post: Error") && lines[1].ends_with("] no disk"), "{text}");
    }
}

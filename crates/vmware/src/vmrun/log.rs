//! What `vmware.log` says when vmrun does not.

use std::path::Path;

/// Only the end of a log is read.
const END: usize = 256 << 10;

/// The last message VMware wanted to show, from the log beside this .vmx: `Msg_Post: Error`, then `[msg.ID] words`.
pub(super) fn last_message(vmx: &Path) -> Option<String> {
    let bytes = std::fs::read(vmx.with_file_name("vmware.log")).ok()?;
    message(&String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(END)..]))
}

fn message(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().rposition(|l| l.contains("Msg_Post: Error"))?;
    let message = lines[at + 1..].iter().take(8).filter_map(|l| l.split_once("[msg.")?.1.split_once("] "));
    let words: Vec<&str> = message.map(|(_, words)| words.trim()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_message_counts() {
        let log = "x| I005: Msg_Post: Error\nx| I005: [msg.old] Old.\nx| ---\nx| I005: Msg_Post: Error\n\
                   x| I005: [msg.cdrom] No CD.\r\nx| I005: [msg.power] Not on.\r\nx| ----";
        assert_eq!(super::message(log).as_deref(), Some("No CD. Not on."));
        assert_eq!(super::message("quiet"), None);
    }
}

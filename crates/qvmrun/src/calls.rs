//! The log of calls: one line per call, with time, exit code and arguments.

use std::fs::File;
use std::io::Write;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::home::Home;

/// Appends one line. A log that cannot be written must not fail the call.
pub(crate) fn record(home: &Home, args: &[String], code: u8) {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    let line = line(&now, args, code);
    let _ = std::fs::create_dir_all(home.dir());
    if let Ok(mut file) = File::options().create(true).append(true).open(home.calls_log()) {
        let _ = file.write_all(line.as_bytes());
    }
}

fn line(now: &str, args: &[String], code: u8) -> String {
    let hidden = |i: usize| i > 0 && matches!(args[i - 1].as_str(), "-gp" | "-vp" | "-p");
    let words: Vec<&str> = args.iter().enumerate().map(|(i, a)| if hidden(i) { "***" } else { a.as_str() }).collect();
    let words = serde_json::to_string(&words).unwrap_or_default();
    format!("{now} {code} {words}\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_line_holds_time_code_and_arguments_but_no_password() {
        let args = ["-T", "ws", "-gp", "hunter2", "list"].map(String::from);
        let line = super::line("2026-11-24T11:00:00Z", &args, 255);
        assert_eq!(line, "2026-11-24T11:00:00Z 255 [\"-T\",\"ws\",\"-gp\",\"***\",\"list\"]\n");
    }
}

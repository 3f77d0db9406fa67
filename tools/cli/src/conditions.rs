//! What a cluster shows, as a table.

use k3s_bootstrap::{Condition, Shown};

use crate::table;

/// One line a condition; nothing where none was looked at.
pub(crate) fn text(conditions: &[Condition]) -> String {
    let line = |c: &Condition| {
        let shown = match c.shown {
            Shown::Yes => "yes",
            Shown::No => "NO",
            Shown::NotHere => "-",
        };
        [c.what.to_owned(), shown.to_owned(), c.detail.clone()]
    };
    let rows: Vec<[String; 3]> = conditions.iter().map(line).collect();
    if rows.is_empty() { String::new() } else { table(&["CONDITION", "SHOWN", "HOW, OR WHY NOT"], &rows) }
}

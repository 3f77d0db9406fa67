//! Tables in text, with columns that line up for Korean too.

/// A table with a heading line; columns are as wide as their widest cell, two spaces apart.
///
/// ```
/// let text = cli::table(&["NODE", "READY"], &[["master".into(), "yes".into()]]);
/// assert_eq!(text, "NODE    READY\nmaster  yes\n");
/// ```
pub fn table<const N: usize>(heading: &[&str; N], rows: &[[String; N]]) -> String {
    let heading = heading.map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&heading]).map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = String::new();
    for row in [&heading].into_iter().chain(rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line += cell;
            line += &" ".repeat(width - columns(cell) + 2);
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// Columns a text takes on a terminal: two for the wide letters of East Asia.
fn columns(text: &str) -> usize {
    let wide = |c: char| matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f | 0xff00..=0xff60 | 0x1f300..=0x1faff);
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    #[test]
    fn korean_cells_line_up_with_english_ones() {
        let text = super::table(&["NODE", "STATE"], &[["서버".into(), "준비".into()], ["w1".into(), "Ready".into()]]);
        assert_eq!(text, "NODE  STATE\n서버  준비\nw1    Ready\n");
    }
}

//! Columns of text, aligned, readable without colours.

use std::fmt::Write as _;

/// A cell: its text, and how wide it is without the colours in it.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    width: usize,
}

impl Cell {
    /// Text in colours, `plain` being the same without.
    pub(crate) fn painted(text: String, plain: &str) -> Cell {
        Cell { text, width: plain.chars().count() }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        let text = text.into();
        Cell { width: text.chars().count(), text }
    }
}

/// Renders rows under a headline; the last column is not padded. Nothing for no rows.
pub(crate) fn render(headline: &[&str], rows: &[Vec<Cell>]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut widths: Vec<usize> = headline.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width);
        }
    }
    let mut out = String::new();
    let headline: Vec<Cell> = headline.iter().map(|h| Cell::from(*h)).collect();
    for row in std::iter::once(&headline).chain(rows) {
        let last = row.len().saturating_sub(1);
        for (index, (width, cell)) in widths.iter().zip(row).enumerate() {
            let padding = if index == last { 0 } else { width - cell.width + 2 };
            let _ = write!(out, "{}{:padding$}", cell.text, "");
        }
        let kept = out.trim_end_matches(' ').len();
        out.truncate(kept);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_colours_have_no_width() {
        let rows = vec![
            vec!["a".into(), Cell::painted("\x1b[32mok\x1b[0m".into(), "ok"), "last".into()],
            vec!["longer".into(), "é".into(), "".into()],
        ];
        assert_eq!(
            render(&["NAME", "X", "URL"], &rows),
            "NAME    X   URL\na       \x1b[32mok\x1b[0m  last\nlonger  é\n"
        );
        assert_eq!(render(&["NAME"], &[]), "");
    }
}

//! Tables that fit a terminal: a line is never wrapped, the longest texts are cut.
//!
//! Pure. Must not know what the cells mean.

use service::text::printable;

use super::screen::Paper;

/// Between two columns.
const GAP: &str = "   ";

/// A text is not cut below so many characters.
const SHORTEST: usize = 8;

/// The longest cell, where nothing else limits it.
const LONGEST: usize = 2_000;

/// Whether something is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Good,
    Doubtful,
    Bad,
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        let text = text.into();
        Self { text, tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// A table. The names of columns with numbers, which are never cut and end at one line, begin with `>`.
#[derive(Debug)]
pub(crate) struct TextTable {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl TextTable {
    pub(crate) fn new(header: &[&'static str]) -> Self {
        Self {
            header: header.to_vec(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The lines of the table.
    pub(crate) fn render(&self, paper: Paper) -> String {
        // What others wrote does not rule the terminal.
        let clean = |cell: &Cell| Cell::new(printable(&cell.text, LONGEST), cell.tone);
        let header = self.header.iter().map(|name| Cell::from(title(name)));
        let mut lines: Vec<Vec<Cell>> = vec![header.collect()];
        let rows = self.rows.iter();
        lines.extend(rows.map(|row| row.iter().map(clean).collect()));
        let numbers: Vec<bool> = self.header.iter().map(|it| it.starts_with('>')).collect();
        let longest = |at: usize| {
            let cells = lines.iter().filter_map(|line| line.get(at));
            cells.map(|cell| length(&cell.text)).max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..self.header.len()).map(longest).collect();
        if let Some(width) = paper.width {
            fit(&mut widths, &numbers, width);
        }
        let mut text = String::new();
        for line in &lines {
            let cells = line.iter().zip(&widths).zip(&numbers);
            let cells = cells.map(|((cell, width), number)| padded(cell, *width, *number, paper));
            let line = cells.collect::<Vec<_>>().join(GAP);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn title(name: &'static str) -> &'static str {
    name.strip_prefix('>').unwrap_or(name)
}

/// Makes the widest columns of text narrower until all fit.
fn fit(widths: &mut [usize], numbers: &[bool], width: usize) {
    let gaps = GAP.len() * widths.len().saturating_sub(1);
    loop {
        let total = widths.iter().sum::<usize>() + gaps;
        let over = total.saturating_sub(width);
        let texts = widths
            .iter_mut()
            .zip(numbers)
            .filter(|(_, number)| !**number);
        let widest = texts.map(|(width, _)| width).max();
        let Some(widest) = widest.filter(|widest| over > 0 && **widest > SHORTEST) else {
            return;
        };
        *widest -= 1;
    }
}

fn padded(cell: &Cell, width: usize, number: bool, paper: Paper) -> String {
    let text = cut(&cell.text, width);
    let padding = " ".repeat(width.saturating_sub(length(&text)));
    let code = match cell.tone {
        Tone::Plain => None,
        Tone::Good => Some(32),
        Tone::Doubtful => Some(33),
        Tone::Bad => Some(31),
    };
    let shown = match code.filter(|_| paper.colours) {
        Some(code) => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        None => text,
    };
    if number {
        format!("{padding}{shown}")
    } else {
        format!("{shown}{padding}")
    }
}

fn cut(text: &str, width: usize) -> String {
    if length(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The tables that have rows, one below the other.
pub(crate) fn render_all(tables: &[TextTable], paper: Paper) -> String {
    let shown = tables.iter().filter(|table| !table.is_empty());
    let shown = shown.map(|table| table.render(paper));
    shown.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> TextTable {
        let mut table = TextTable::new(&["NAME", ">TICKS/S", "MESSAGE"]);
        table.row(vec![
            "chain".into(),
            "8".into(),
            Cell::new(
                "a long message that says what is wrong and what to do",
                Tone::Bad,
            ),
        ]);
        table.row(vec!["equities-of-nse".into(), "1234".into(), "".into()]);
        table
    }

    #[test]
    fn as_wide_as_needed_where_nothing_limits_it() {
        assert_eq!(
            sample().render(Paper::default()),
            "\
NAME              TICKS/S   MESSAGE
chain                   8   a long message that says what is wrong and what to do
equities-of-nse      1234
"
        );
    }

    #[test]
    fn on_a_terminal_the_longest_text_is_cut_and_no_number() {
        let narrow = |width| {
            sample().render(Paper {
                width: Some(width),
                colours: false,
            })
        };
        assert_eq!(
            narrow(50),
            "\
NAME              TICKS/S   MESSAGE
chain                   8   a long message that s…
equities-of-nse      1234
"
        );
        for width in 30..90 {
            for line in narrow(width).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
            assert!(narrow(width).contains("1234"));
        }
        // Below that nothing is readable any more.
        assert!(narrow(5).contains("equitie…"), "{}", narrow(5));
    }

    #[test]
    fn colours_take_no_room_and_control_characters_reach_no_terminal() {
        let mut table = TextTable::new(&["A", "B"]);
        table.row(vec![Cell::new("x\u{1b}[2J", Tone::Good), "y".into()]);
        table.row(vec!["longer text".into(), "z".into()]);
        let plain = table.render(Paper::default());
        assert_eq!(plain, "A             B\nx [2J         y\nlonger text   z\n");
        let coloured = table.render(Paper {
            width: None,
            colours: true,
        });
        assert_eq!(coloured, plain.replace("x [2J", "\u{1b}[32mx [2J\u{1b}[0m"));
    }
}

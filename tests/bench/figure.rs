//! Named figures with their goals, as a table.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the table is this program's output"
)]

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Figures(Vec<[String; 3]>);

impl Figures {
    /// Adds a figure; `goal` is the promised value, if there is one.
    pub(crate) fn add(&mut self, name: &str, value: f64, unit: &str, goal: &str) {
        let digits = if value == 0.0 || value.abs() >= 100.0 {
            0
        } else {
            3
        };
        let figure = format!("{value:.digits$} {unit}");
        eprintln!("{name}: {figure}");
        self.0.push([name.to_owned(), figure, goal.to_owned()]);
    }

    /// Prints them all.
    pub(crate) fn print(&self) {
        let width = |column: usize| {
            self.0
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let (name, figure) = (width(0), width(1));
        println!("{:<name$}   {:<figure$}   goal", "figure", "measured");
        for [label, value, goal] in &self.0 {
            println!("{label:<name$}   {value:<figure$}   {goal}");
        }
    }
}
